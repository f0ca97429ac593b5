/**
 * Node keeps both messages of an exchange until its answer has ended. Of an answer that lasts for hours most of what they hold was needed for
 * its beginning only: here it is let go, which is half the memory of an open stream.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Node's own, which has no public name: a header set one by one is kept there beside the text that was sent. */
const headersName = 'kOutHeaders';
const none: readonly string[] = [];

/** Of a response whose head has been written: its headers cannot be read any more, and `headersSent` stays true. */
export function letGoOfHead(response: ServerResponse): void {
  if (!response.headersSent) return;
  const fields = response as unknown as Record<string | symbol, unknown>;
  for (const name of Object.getOwnPropertySymbols(response)) if (name.description === headersName) fields[name] = null;
  // Looked at from now on only to see that there was one.
  if (typeof fields._header === 'string') fields._header = 'sent';
}

/** Of a request that has been read: method and address stay, headers and what the router made of it do not. */
export function letGoOfRequest(request: IncomingMessage): void {
  request.headers = {};
  request.rawHeaders = none as string[];
  const fields = request as unknown as Record<string, unknown>;
  for (const name of ['next', 'params', '_parsedUrl']) if (name in fields) fields[name] = undefined;
}
