/**
 * Reads a body within its size limit: JSON, or a form where the operation takes one. The server's request timeout bounds how slowly it may come.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import { parseQuery } from '../http/parse-query.ts';
import { parseStrictJson } from '../http/strict-json.ts';
import type { BodyType } from '../operation.ts';

const jsonType = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const formType = /^application\/x-www-form-urlencoded\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** Which of the types it is. */
function typeOf(request: IncomingMessage, types: readonly BodyType[]): BodyType {
  const header = request.headers['content-type'] ?? '';
  if (types.includes('json') && jsonType.test(header)) return 'json';
  if (types.includes('form') && formType.test(header)) return 'form';
  const message = types.includes('form') ? 'Send the body as a form (application/x-www-form-urlencoded).' : undefined;
  throw new InkwellError('unsupported_media_type', { param: 'content-type', message });
}

function refuseEncodings(request: IncomingMessage): void {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new InkwellError('unsupported_media_type', {
      param: 'content-encoding',
      message: 'Send the body uncompressed.',
    });
  }
}

async function readAll(request: IncomingMessage, limitBytes: number): Promise<Buffer | 'too large'> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return 'too large';
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    // Not destroyed when left early: the client must still be able to read why.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > limitBytes) return 'too large';
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new InkwellError('request_timeout', { cause });
  }
  return Buffer.concat(chunks, sizeBytes);
}

export interface ReadBody {
  bytes: Buffer;
  /** As JSON or form said it, not validated yet. */
  value: unknown;
}

/** @throws InkwellError `unsupported_media_type`, `payload_too_large`, `request_timeout` (it broke off), or what the text itself deserves */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limitBytes: number,
  types: readonly BodyType[],
): Promise<ReadBody> {
  const type = typeOf(request, types);
  refuseEncodings(request);
  const bytes = await readAll(request, limitBytes);
  if (bytes === 'too large') {
    response.setHeader('connection', 'close');
    const message = `The request body is larger than ${limitBytes} bytes.`;
    throw new InkwellError('payload_too_large', { param: 'body', message });
  }
  if (type === 'json') return { bytes, value: parseStrictJson(bytes) };
  const form = bytes.toString('latin1');
  // As a form it would be one long name, told back in the error with all the secrets in it.
  if (/^\s*[{[]/.test(form)) {
    const message = 'The body is JSON; say so: content-type: application/json.';
    throw new InkwellError('unsupported_media_type', { param: 'content-type', message });
  }
  return { bytes, value: parseQuery(`?${form}`) };
}
