/** Requests that never became one: broken HTTP, headers beyond the limit, clients too slow. Answered on the bare socket in the usual shape. */
import type { Server } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type ErrorCode, InkwellError } from '@inkwell/contracts';

const codes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

function rawAnswer(error: InkwellError): string {
  const body = JSON.stringify({ error: error.toBody() });
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'x-content-type-options: nosniff',
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

export function answerClientErrors(server: Server): void {
  server.on('clientError', (thrown: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket & { _httpMessage?: { headersSent?: boolean } };
    if (thrown.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent) {
      socket.destroy();
      return;
    }
    const code = codes[thrown.code ?? ''];
    const error = code
      ? new InkwellError(code)
      : new InkwellError('invalid_header', { message: 'The request is not valid HTTP.' });
    socket.end(rawAnswer(error));
  });
}
