/** Server-side request forgery: no spelling, name, rebinding or redirect leads a webhook to an address that isn't public. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guardedPost, type PostResult, type Resolve } from './guarded-post.ts';
import { isPublicAddress } from './public-address.ts';
import { parseWebhookUrl } from './webhook-target.ts';

let server: Server;
let port: number;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
/** Connections that anything in this process tried to open. */
let attempts = 0;
const count = () => {
  attempts += 1;
};

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  subscribe('net.client.socket', count);
});
afterAll(async () => {
  unsubscribe('net.client.socket', count);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  attempts = 0;
  answer = (_, response) => response.writeHead(204).end();
});
afterEach(() => {
  answer = () => {};
});

interface Wish {
  allowed?: string[];
  resolve?: Resolve;
  timeoutMs?: number;
  headers?: Record<string, string>;
}

function post(url: string, { allowed = [], resolve, timeoutMs = 5_000, headers = {} }: Wish = {}): Promise<PostResult> {
  const request = { url, headers, body: '{"hello":"world"}', timeoutMs, signal: new AbortController().signal };
  return guardedPost(request, { allowedHosts: new Set(allowed) }, resolve);
}

const privateHosts = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '017700000001',
  '0177.0.0.1',
  '0',
  '0.0.0.0',
  '127.255.255.254',
  '１２７.０.０.１',
  '127。0。0。1',
  '%31%32%37.0.0.1',
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '169.254.169.254',
  '0xa9fea9fe',
  '2852039166',
  '0251.0376.0251.0376',
  '168.63.129.16',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::127.0.0.1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:8.8.8.8]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001::1]',
  '[2001:db8::1]',
  '[fe80::1]',
  '[febf::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fec0::1]',
  '[ff02::1]',
  '[100::1]',
  '[3fff::1]',
  '[4000::1]',
]; // prettier-ignore

describe('a webhook to an address that is not public', () => {
  it.each(privateHosts)('https://%s is refused without a connection, and already by its URL', async (host) => {
    const url = `https://${host}:${port}/hook`;
    expect((await post(url)).outcome).toBe('refused');
    expect(parseWebhookUrl(url, { allowedHosts: new Set() })).toHaveProperty('refusal');
    expect(attempts).toBe(0);
  });

  it.each([
    ['localhost', undefined],
    ['localhost.', undefined],
    ['a name of this machine', async () => [{ address: '127.0.0.1', family: 4 }]],
    ['a name of a mapped address', async () => [{ address: '::ffff:10.0.0.1', family: 6 }]],
    ['a name of the metadata service', async () => [{ address: '169.254.169.254', family: 4 }]],
    [
      'a name of a public and a private address',
      async () => [
        { address: '8.8.8.8', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ],
    ],
    ['a name with a zone', async () => [{ address: 'fe80::1%eth0', family: 6 }]],
  ] as [string, Resolve | undefined][])('%s: refused without a connection', async (name, resolve) => {
    const host = resolve === undefined ? name : 'hook.example.com';
    const { outcome } = await post(`https://${host}:${port}/`, { resolve });
    // Not every machine knows its own name with a dot behind.
    expect(outcome).toBe(name === 'localhost.' && outcome === 'failed' ? 'failed' : 'refused');
    expect(attempts).toBe(0);
  });

  it.each([
    ['http', 'http://example.com/'],
    ['another scheme', 'ftp://example.com/'],
    ['a file', 'file:///etc/passwd'],
    ['data', 'data:text/plain,x'],
    ['a user name', 'https://user@example.com/'],
    ['a password', 'https://:secret@example.com/'],
    ['a host hidden behind a user name', 'https://example.com@127.0.0.1/'],
    ['no URL', 'example.com/hook'],
    ['nothing', ''],
    ['too long', `https://example.com/${'a'.repeat(2_048)}`],
  ])('%s is refused', async (_, url) => {
    expect((await post(url, { resolve: async () => [{ address: '127.0.0.1', family: 4 }] })).outcome).toBe('refused');
    expect(attempts).toBe(0);
  });

  it('is not reached by a name that resolves to something else the next time', async () => {
    const asked: string[] = [];
    const rebinding: Resolve = async (host) => {
      asked.push(host);
      // A documented public address that answers nothing here, then this machine.
      return asked.length === 1 ? [{ address: '127.0.0.1', family: 4 }] : [{ address: '10.0.0.1', family: 4 }];
    };
    let host: string | undefined;
    answer = (request, response) => {
      host = request.headers.host;
      response.writeHead(204).end();
    };
    const url = `http://hook.example.com:${port}/`;
    expect(await post(url, { allowed: [`hook.example.com:${port}`], resolve: rebinding })).toEqual({
      outcome: 'answered',
      status: 204,
    });
    expect([asked, host, attempts]).toEqual([['hook.example.com'], `hook.example.com:${port}`, 1]);
  });

  it('is not reached by a redirect', async () => {
    let asked = 0;
    answer = (_, response) => {
      asked += 1;
      response.writeHead(302, { location: `http://127.0.0.1:${port}/internal` }).end();
    };
    const result = await post(`http://hook.test:${port}/`, {
      allowed: ['hook.test'],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    expect([result, asked, attempts]).toEqual([{ outcome: 'answered', status: 302 }, 1, 1]);
  });
});

describe('a webhook that may be sent', () => {
  const local = { resolve: (async () => [{ address: '127.0.0.1', family: 4 }]) as Resolve };

  it('arrives with its headers and body', async () => {
    const received = Promise.withResolvers<[string | undefined, string]>();
    answer = async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      received.resolve([request.headers['webhook-id'] as string, body]);
      response.writeHead(200).end('a long answer that nobody reads');
    };
    const sent = await post(`http://127.0.0.1:${port}/x?y=1`, {
      allowed: [`127.0.0.1:${port}`],
      headers: { 'webhook-id': 'msg_1' },
    });
    expect(sent).toEqual({ outcome: 'answered', status: 200 });
    expect(await received.promise).toEqual(['msg_1', '{"hello":"world"}']);
  });

  it('is given up after its time: a server that never answers, one that trickles headers, a name that never resolves', async () => {
    answer = () => {};
    const silent = await post(`http://hook.test:${port}/`, { allowed: ['hook.test'], timeoutMs: 200, ...local });
    expect(silent.outcome).toBe('failed');
    const unresolved = await post('https://hook.test/', { timeoutMs: 200, resolve: () => new Promise(() => {}) });
    expect(unresolved.outcome).toBe('failed');
    server.closeAllConnections();
  });

  it('does not wait for the body of the answer, however long it is', async () => {
    answer = (_, response) => {
      response.writeHead(200);
      const more = () => {
        if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more));
      };
      more();
    };
    expect(await post(`http://hook.test:${port}/`, { allowed: ['hook.test'], ...local })).toEqual({
      outcome: 'answered',
      status: 200,
    });
  });
});

it.each(['8.8.8.8', '1.1.1.1', '93.184.216.34', '2606:4700:4700::1111', '2a00:1450:4001:80b::200e'])(
  '%s is public',
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);
