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

function readAll(request: IncomingMessage, limitBytes: number): Promise<Buffer | 'too large'> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.resolve('too large');
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  return new Promise((resolve, reject) => {
    if (request.destroyed && !request.readableEnded) return reject(new InkwellError('request_timeout'));
    const onData = (chunk: Buffer) => {
      sizeBytes += chunk.length;
      chunks.push(chunk);
      if (sizeBytes <= limitBytes) return;
      // Not destroyed: the client must still be able to read why.
      request.pause();
      leave();
      resolve('too large');
    };
    const onEnd = () => {
      leave();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, sizeBytes));
    };
    const onBreak = (cause?: Error) => {
      leave();
      reject(new InkwellError('request_timeout', { cause }));
    };
    const leave = () => {
      request.off('data', onData).off('end', onEnd).off('close', onBreak);
      // What breaks later is told by the response's end.
      if (!request.readableEnded) request.on('error', () => {});
      request.off('error', onBreak);
    };
    request.on('error', onBreak).on('close', onBreak).on('end', onEnd).on('data', onData);
  });
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
