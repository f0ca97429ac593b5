/** Cookies in and out (RFC 6265). Ours are never readable by scripts and never sent along by other sites' requests. */
import type { IncomingMessage } from 'node:http';

export interface CookieOptions {
  maxAgeSeconds: number;
  path: string;
  /** Only over TLS; the name then begins with `__Host-` or `__Secure-`, which browsers hold us to. */
  secure: boolean;
  /** `Lax` lets it come along when another site links here. */
  sameSite: 'Strict' | 'Lax';
}

/** The first of this name; undefined when there is none. */
export function readCookie(request: IncomingMessage, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const mark = pair.indexOf('=');
    if (mark > 0 && pair.slice(0, mark).trim() === name) return pair.slice(mark + 1).trim();
  }
  return undefined;
}

/** @param value of characters a cookie may hold unquoted (base64url and dots do) */
export function cookie(name: string, value: string, { maxAgeSeconds, path, secure, sameSite }: CookieOptions): string {
  return [
    `${name}=${value}`,
    `Max-Age=${Math.floor(maxAgeSeconds)}`,
    `Path=${path}`,
    'HttpOnly',
    `SameSite=${sameSite}`,
    ...(secure ? ['Secure'] : []),
  ].join('; ');
}
