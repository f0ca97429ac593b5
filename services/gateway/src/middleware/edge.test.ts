/** What stands between the network and the API: names, origins, encryption, compression and the headers of every answer. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EdgeConfig } from '../http/edge-config.ts';
import { addressMatcher } from '../http/edge-config.ts';
import { type Rig, startRig, testModel } from '../testing/rig.ts';

interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Unlike `fetch` it says any Host, follows nothing and decompresses nothing. */
function raw(
  rig: Rig,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body = '',
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(rig.url + path, { method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function withRig(edge: Partial<EdgeConfig>, use: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ config: edge });
  try {
    await use(rig);
  } finally {
    await rig.close();
  }
}

const codeOf = ({ body }: RawAnswer): string => JSON.parse(body.toString()).error.code;

describe('trusted hosts', () => {
  it('takes the names it was given and no other, whatever their case and port; probes by any', async () => {
    await withRig({ trustedHosts: ['api.example.com', '*.apps.example.com'] }, async (rig) => {
      const statusFor = async (host: string, path = '/version') => (await raw(rig, path, { host })).status;
      for (const host of ['api.example.com', 'API.Example.com', 'api.example.com:8443', 'x.apps.example.com']) {
        expect([host, await statusFor(host)]).toEqual([host, 200]);
      }
      for (const host of [
        'example.com',
        'evil.com',
        'api.example.com.evil.com',
        'xapi.example.com',
        'apps.example.com',
        '127.0.0.1',
      ]) {
        expect([host, await statusFor(host)]).toEqual([host, 400]);
      }
      expect(await statusFor('10.1.2.3:8080', '/api/health/liveness')).toBe(200);
      expect(JSON.parse((await raw(rig, '/version', { host: 'evil.com' })).body.toString()).error.param).toBe('Host');
    });
  });
});

describe('required HTTPS', () => {
  const https = { requireHttps: true, trustedProxies: ['127.0.0.0/8'] };

  it('sends pages on to their secure address, with path and query', async () => {
    await withRig(https, async (rig) => {
      const answer = await raw(rig, '/docs?a=1&b=2', { host: 'api.example.com' });
      expect([answer.status, answer.headers.location]).toEqual([308, 'https://api.example.com/docs?a=1&b=2']);
      expect(answer.headers['strict-transport-security']).toBeUndefined();
    });
  });

  it('refuses what has sent a body or a key in the clear, instead of hiding that', async () => {
    await withRig(https, async (rig) => {
      for (const [method, headers] of [
        ['POST', {}],
        ['PUT', {}],
        ['GET', { 'x-api-key': rig.key }],
        ['GET', { authorization: `Bearer ${rig.key}` }],
        ['GET', { host: 'evil.com/path' }],
      ] as const) {
        const answer = await raw(rig, '/v1/jobs', { host: 'api.example.com', ...headers }, method);
        expect([method, answer.status, codeOf(answer)]).toEqual([method, 403, 'https_required']);
      }
    });
  });

  it('takes what came securely through a trusted proxy, and lets probes in', async () => {
    await withRig(https, async (rig) => {
      const answer = await raw(rig, '/v1/models', { 'x-forwarded-proto': 'https', 'x-api-key': rig.key });
      expect(answer.status).toBe(200);
      expect(answer.headers['strict-transport-security']).toMatch(/^max-age=\d{7,}/);
      expect((await raw(rig, '/api/health/readiness')).status).not.toBe(308);
      // Each proxy adds its own word behind the others: the nearest is the one that is believed.
      expect((await raw(rig, '/version', { 'x-forwarded-proto': 'https, http' })).status).toBe(308);
    });
  });

  it('does not believe a client that only says it came securely', async () => {
    await withRig({ requireHttps: true }, async (rig) => {
      expect((await raw(rig, '/version', { 'x-forwarded-proto': 'https' })).status).toBe(308);
    });
  });
});

describe('cross-origin requests', () => {
  const origin = 'https://app.example.com';
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' };

  it('may be made by the pages listed, and their answers be read, errors too', async () => {
    await withRig({ corsOrigins: [origin, 'http://localhost:3000'] }, async (rig) => {
      const asked = await raw(rig, '/v1/completions', { origin, ...preflight }, 'OPTIONS');
      expect([asked.status, asked.headers['access-control-allow-origin']]).toEqual([204, origin]);
      expect(asked.headers['access-control-allow-methods']).toContain('POST');
      expect(asked.headers['access-control-allow-headers']).toContain('x-api-key');
      const answer = await raw(rig, '/v1/models', { origin });
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([401, origin]);
      expect(answer.headers['access-control-expose-headers']).toContain('x-inkwell-job-id');
      expect(answer.headers.vary).toContain('Origin');
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    });
  });

  it('are no other page’s: no header says otherwise', async () => {
    await withRig({ corsOrigins: [origin] }, async (rig) => {
      for (const other of [
        'https://evil.com',
        'https://app.example.com.evil.com',
        'http://app.example.com',
        'null',
        `${origin}:444`,
      ]) {
        for (const answer of [
          await raw(rig, '/version', { origin: other }),
          await raw(rig, '/v1/completions', { origin: other, ...preflight }, 'OPTIONS'),
        ]) {
          expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
          expect(answer.headers.vary).toContain('Origin');
        }
      }
    });
  });

  it('are nobody’s by default, and everybody’s with *, never with credentials', async () => {
    await withRig({}, async (rig) => {
      expect((await raw(rig, '/version', { origin })).headers['access-control-allow-origin']).toBeUndefined();
    });
    await withRig({ corsOrigins: ['*'] }, async (rig) => {
      const { headers } = await raw(rig, '/version', { origin: 'https://anyone.example' });
      expect(headers['access-control-allow-origin']).toBe('*');
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    });
  });
});

describe('every answer', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
    await rig.serveJobs(async (worker) => {
      await worker.say('some text, '.repeat(300));
      await worker.end('completed');
    });
  });
  afterAll(() => rig.close());

  it('is compressed when that is worth it and asked for, and reads the same', async () => {
    const plain = await raw(rig, '/openapi.json');
    const packed = await raw(rig, '/openapi.json', { 'accept-encoding': 'gzip' });
    expect([plain.headers['content-encoding'], packed.headers['content-encoding']]).toEqual([undefined, 'gzip']);
    expect(packed.body.length).toBeLessThan(plain.body.length / 3);
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    expect(packed.headers.vary).toContain('Accept-Encoding');
    expect(packed.headers['x-process-time']).toMatch(/^\d/);
    expect((await raw(rig, '/version', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  });

  it('is never compressed as a stream of events', async () => {
    const headers = { 'x-api-key': rig.key, 'content-type': 'application/json', 'accept-encoding': 'gzip, br' };
    const body = JSON.stringify({ model: testModel, prompt: 'x', stream: true });
    const streamed = await raw(rig, '/v1/completions', headers, 'POST', body);
    expect(streamed.headers['content-type']).toContain('text/event-stream');
    expect(streamed.headers['content-encoding']).toBeUndefined();
    expect(streamed.body.toString()).toContain('some text');
    const { body: job } = await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'x' } });
    const events = await raw(rig, `/v1/jobs/${job.id}/events`, headers);
    expect([events.headers['content-encoding'], events.body.toString().includes('some text')]).toEqual([
      undefined,
      true,
    ]);
  });

  it('says what it is, and texts in which letters', async () => {
    const types = new Set<string>();
    const headers = { 'x-api-key': rig.key };
    const pages = [
      '/version',
      '/docs',
      '/docs/swagger-ui.css',
      '/docs/swagger-ui-bundle.js',
      '/openapi.json',
      '/metrics',
    ];
    for (const path of [...pages, '/v1/models', '/nowhere', '/api/admin/audit/export']) {
      const type = String((await raw(rig, path, headers)).headers['content-type']);
      types.add(type);
      // JSON is UTF-8 and knows no charset (RFC 8259, sections 8.1 and 11).
      if (/^application\/(\w+\+)?(x-nd)?json/.test(type)) expect([path, type]).toEqual([path, type.split(';')[0]]);
      else expect([path, type]).toEqual([path, expect.stringMatching(/^text\/.+; charset=utf-8/)]);
    }
    expect(types.size).toBeGreaterThan(5);
  });

  it('lists no directory', async () => {
    for (const path of [
      '/',
      '/docs/',
      '/docs/.',
      '/docs/..',
      '/docs/%2e%2e%2f',
      '/docs/%2e%2e%2fpackage.json',
      '/v1/',
      '/api/',
    ]) {
      const { status, body } = await raw(rig, path);
      // The page itself is at /docs, with a slash or without.
      if (status !== 200) expect([400, 404], path).toContain(status);
      else expect(body.toString(), path).toContain('<title>');
      expect(body.toString(), path).not.toMatch(/package\.json|node_modules|Index of/);
    }
  });

  it('carries the headers that keep browsers from more than reading it', async () => {
    for (const path of ['/version', '/v1/models', '/nowhere']) {
      const { headers } = await raw(rig, path);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'origin-agent-cluster': '?1',
        'permissions-policy': expect.stringContaining('camera=()'),
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-dns-prefetch-control': 'off',
        'x-download-options': 'noopen',
        'x-frame-options': 'DENY',
        'x-permitted-cross-domain-policies': 'none',
        'x-xss-protection': '0',
      });
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });
});

describe('a message on the wire', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterAll(() => rig.close());

  /** What comes back for these bytes, until the other end closes. */
  async function answerTo(bytes: string): Promise<string> {
    const { hostname, port } = new URL(rig.url);
    const socket = connect(Number(port), hostname);
    socket.end(bytes);
    let text = '';
    for await (const chunk of socket) text += chunk;
    return text;
  }

  const smuggled = 'GET /version HTTP/1.1\r\nhost: x\r\n\r\n';
  const head = 'POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n';

  it.each([
    ['a length and chunks', `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', `${head}content-length: 0\r\ncontent-length: ${smuggled.length}\r\n\r\n${smuggled}`],
    ['a coding that hides the chunks', `${head}transfer-encoding: x, chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a chunk length that is none', `${head}transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${smuggled}`],
    ['a space before the colon', `${head}content-length : 5\r\n\r\nhello${smuggled}`],
    ['a line that goes on in the next', `${head}x-header: a\r\n content-length: 5\r\n\r\n${smuggled}`],
  ])('with %s is no two messages: no second answer ever comes', async (_, bytes) => {
    const answer = await answerTo(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it('asking to be echoed is not', async () => {
    for (const path of ['/version', '/v1/jobs', '/nowhere']) {
      const { status, body } = await raw(rig, path, { 'x-secret': 'mirror' }, 'TRACE');
      expect([404, 405]).toContain(status);
      expect(body.toString()).not.toContain('mirror');
    }
  });

  it('with a key in its address has none', async () => {
    for (const name of ['key', 'api_key', 'access_token', 'token', 'x-api-key']) {
      const path = `/v1/models?${name}=${rig.key}`;
      expect((await raw(rig, path)).status).toBe(401);
      expect((await raw(rig, path, { 'x-api-key': rig.key })).status).toBe(400);
    }
  });
});

it('recognises listed addresses and networks of both families', () => {
  const isListed = addressMatcher(['10.0.0.0/8', '192.168.1.1', 'fd00::/8']);
  expect(['10.1.2.3', '::ffff:10.1.2.3', '192.168.1.1', 'fd00::1'].map(isListed)).toEqual([true, true, true, true]);
  expect(['11.0.0.1', '192.168.1.2', 'fe80::1', '', undefined, 'x'].map(isListed)).toEqual(Array(6).fill(false));
});
