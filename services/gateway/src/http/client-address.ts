/** Where a request comes from: the other end of the connection, or what a proxy we were told to trust says of it. */
import type { IncomingMessage } from 'node:http';
import { isAllowedAddress } from '@inkwell/identity';

const plain = (address: string): string => address.trim().replace(/^::ffff:(?=\d+\.)/i, '');

/** @param trustedProxies addresses and networks whose `X-Forwarded-For` is believed */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  let address = plain(request.socket.remoteAddress ?? '');
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .filter(Boolean);
  // From the nearest hop outwards: each was named by the one before it, so the first that isn't trusted is the client.
  while (forwarded.length > 0 && isAllowedAddress(address, trustedProxies)) address = plain(forwarded.pop()!);
  return address;
}
