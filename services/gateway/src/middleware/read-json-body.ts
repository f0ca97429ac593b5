/** Reads a JSON body within its size limit. The server's request timeout bounds how slowly it may come. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import { parseStrictJson } from '../http/strict-json.ts';

const jsonType = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

function checkHeaders(request: IncomingMessage): void {
  if (!jsonType.test(request.headers['content-type'] ?? '')) {
    throw new InkwellError('unsupported_media_type', { param: 'content-type' });
  }
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

/** @throws InkwellError `unsupported_media_type`, `payload_too_large`, `request_timeout` (it broke off), or what the JSON itself deserves */
export async function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
  limitBytes: number,
): Promise<unknown> {
  checkHeaders(request);
  const bytes = await readAll(request, limitBytes);
  if (bytes === 'too large') {
    response.setHeader('connection', 'close');
    const message = `The request body is larger than ${limitBytes} bytes.`;
    throw new InkwellError('payload_too_large', { param: 'body', message });
  }
  return parseStrictJson(bytes);
}
