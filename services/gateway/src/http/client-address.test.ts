import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { clientAddress } from './client-address.ts';

const from = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;
const proxies = ['10.0.0.0/8', '::1', '2001:db8::/32'];

it.each([
  ['nobody is trusted', [], '10.0.0.9', '1.1.1.1', '10.0.0.9'],
  ['a stranger names somebody else', proxies, '9.9.9.9', '1.1.1.1', '9.9.9.9'],
  ['a proxy names its client', proxies, '10.0.0.9', '1.1.1.1', '1.1.1.1'],
  ['a client names somebody before the proxy adds it', proxies, '10.0.0.9', '7.7.7.7, 1.1.1.1', '1.1.1.1'],
  ['a client names one of the proxies', proxies, '10.0.0.9', '10.0.0.1, 1.1.1.1', '1.1.1.1'],
  ['two proxies pass it on', proxies, '10.0.0.9', '7.7.7.7, 1.1.1.1, 10.2.0.1', '1.1.1.1'],
  ['a proxy itself asks', proxies, '10.0.0.9', undefined, '10.0.0.9'],
  ['the header is nonsense', proxies, '10.0.0.9', 'x, unknown,, 1.1.1.1 ', '1.1.1.1'],
  ['a proxy names nobody', proxies, '10.0.0.9', '1.1.1.1, unknown', ''],
  ['a proxy names a hidden hop', proxies, '10.0.0.9', '1.1.1.1, _hidden, 10.2.0.1', ''],
  ['a proxy names the port as well', proxies, '10.0.0.9', '1.1.1.1:5678', '1.1.1.1'],
  ['a proxy names an IPv6 client with its port', proxies, '10.0.0.9', '[2001:470::1]:5678', '2001:470::1'],
  ['an IPv4 proxy speaks over IPv6', proxies, '::ffff:10.0.0.9', '::ffff:1.1.1.1', '1.1.1.1'],
  ['an IPv6 proxy names its client', proxies, '2001:db8::9', '2001:470::1', '2001:470::1'],
])('sees who asks when %s', (_, trusted, remote, forwarded, expected) => {
  expect(clientAddress(from(remote, forwarded), trusted)).toBe(expected);
});
