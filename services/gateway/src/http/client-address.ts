/** Where a request comes from: the other end of the connection, or what a proxy we were told to trust says of it. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isAllowedAddress } from '@inkwell/identity';

/** Without the port that some proxies add, and an IPv4 address as it is written, whichever socket it came through. */
function plain(address: string): string {
  const text = address.trim();
  const withoutPort = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text;
  return withoutPort.replace(/^::ffff:(?=\d+\.)/i, '');
}

/**
 * An IP address, or an empty text when nobody says: the connection is gone, or a proxy names no address.
 * @param trustedProxies addresses and networks whose `X-Forwarded-For` is believed
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  let address = plain(request.socket.remoteAddress ?? '');
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .filter(Boolean);
  // From the nearest hop outwards: each was named by the one before it, so the first that isn't trusted is the client.
  while (forwarded.length > 0 && isAllowedAddress(address, trustedProxies)) {
    const named = plain(forwarded.pop()!);
    // Somebody a proxy doesn't name isn't the proxy either, or would pass for an address that is allowed more.
    if (isIP(named) === 0) return '';
    address = named;
  }
  return address;
}
