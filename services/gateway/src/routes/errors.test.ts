import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const job = { model: testModel, prompt: 'Hello' };

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(JSON.stringify(error)).not.toMatch(/\bat .+:\d+|node_modules|SQLITE/);
  return error;
}

/** Sends bytes as they are and answers the raw response. */
function raw(text: string | Buffer): Promise<string> {
  const { port } = new URL(rig.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer)).on('error', reject);
  });
}

describe('every error answer', () => {
  it('is 404 for an address that does not exist, also behind one that does', async () => {
    for (const path of ['/nothing', '/v1', '/v1/jobs/x/y/z', '/docs/../../etc/passwd', '/docs/absent.js']) {
      const response = await rig.request(path);
      expect(response.status, path).toBe(404);
      expect(await errorOf(response)).toMatchObject({ code: 'not_found', type: 'not_found_error' });
      expect(response.headers.get('x-should-retry')).toBe('false');
    }
  });

  it('is 405 with Allow for a method the address does not take', async () => {
    const response = await rig.request('/v1/jobs', { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS');
    expect(await errorOf(response)).toMatchObject({ code: 'method_not_allowed' });
    const options = await rig.request('/v1/jobs/some-id', { method: 'OPTIONS', key: null });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'PUT, GET, HEAD, OPTIONS']);
  });

  it('tells a missing key from a wrong one, on every operation that needs one', async () => {
    const missing = await rig.request('/v1/models', { key: null });
    expect(missing.status).toBe(401);
    expect(missing.headers.get('x-api-key-error')).toBe('missing');
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="inkwell"');
    expect(await errorOf(missing)).toMatchObject({ code: 'missing_api_key', type: 'authentication_error' });
    const expired = await rig.addKey('alice', 'user', { expiresAt: Date.now() - 1 });
    const revoked = await rig.addKey('alice', 'user', { revokedAt: Date.now() - 1 });
    for (const key of ['', 'short', `${rig.key}x`, 'y'.repeat(40), expired, revoked]) {
      for (const [name, value] of [
        ['x-api-key', key],
        ['authorization', `Bearer ${key}`],
      ] as const) {
        const wrong = await rig.request('/v1/jobs', { body: job, key: null, headers: { [name]: value } });
        expect(wrong.status).toBe(401);
        expect(wrong.headers.get('x-api-key-error')).toBe('invalid');
        expect(await errorOf(wrong)).toMatchObject({ code: 'invalid_api_key', message: 'The API key is not valid.' });
      }
    }
    const basic = await rig.request('/v1/models', { key: null, headers: { authorization: 'Basic eDp5' } });
    expect(basic.headers.get('x-api-key-error')).toBe('invalid');
  });

  it('accepts a key either way', async () => {
    expect((await rig.request('/v1/models')).status).toBe(200);
    const bearer = await rig.request('/v1/models', { key: null, headers: { authorization: `Bearer ${rig.key}` } });
    expect(bearer.status).toBe(200);
  });

  it('is 403 where the role of the key is not enough', async () => {
    const key = await rig.addKey('alice', 'user');
    for (const path of ['/metrics', '/api/health/status']) {
      const response = await rig.request(path, { key });
      expect(response.status).toBe(403);
      expect(await errorOf(response)).toMatchObject({ code: 'insufficient_scope', type: 'permission_error' });
    }
  });

  it('is 415 for a body that is not said to be JSON in UTF-8', async () => {
    for (const type of ['text/plain', 'application/json; charset=latin1', 'application/x-www-form-urlencoded', '']) {
      const response = await rig.request('/v1/jobs', { body: JSON.stringify(job), headers: { 'content-type': type } });
      expect(response.status, type).toBe(415);
      expect(await errorOf(response)).toMatchObject({ code: 'unsupported_media_type', param: 'content-type' });
    }
    const zipped = await rig.request('/v1/jobs', { body: job, headers: { 'content-encoding': 'gzip' } });
    expect([zipped.status, (await errorOf(zipped)).param]).toEqual([415, 'content-encoding']);
    const utf8 = await rig.request('/v1/jobs', {
      body: job,
      headers: { 'content-type': 'Application/JSON; Charset="UTF-8"' },
    });
    expect(utf8.status).toBe(202);
  });

  it('is 413 for a body over the limit, announced or not', async () => {
    const huge = JSON.stringify({ ...job, prompt: 'x'.repeat(1_100_000) });
    const announced = await rig.request('/v1/jobs', { body: huge });
    expect(announced.status).toBe(413);
    expect(await errorOf(announced)).toMatchObject({ code: 'payload_too_large' });
    const chunk = `${(70_000).toString(16)}\r\n${'x'.repeat(70_000)}\r\n`;
    const head = `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nx-api-key: ${rig.key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const answer = await raw(head + chunk.repeat(20));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"payload_too_large"');
  });

  it('is 400 for a body that is not JSON, and for a path or query that cannot be decoded', async () => {
    const broken = await rig.request('/v1/jobs', { body: '{"model":' });
    expect([broken.status, (await errorOf(broken)).code]).toEqual([400, 'invalid_json']);
    const empty = await rig.request('/v1/jobs', { method: 'POST', headers: { 'content-type': 'application/json' } });
    expect([empty.status, (await errorOf(empty)).code]).toEqual([400, 'invalid_json']);
    const path = await rig.request('/v1/jobs/%E0%A4%A');
    expect([path.status, (await errorOf(path)).param]).toEqual([400, 'path']);
    const query = await rig.request('/v1/jobs?limit=%E0%A4');
    expect([query.status, (await errorOf(query)).param]).toEqual([400, 'limit']);
    const unknown = await rig.request('/v1/models?limit=1');
    expect([unknown.status, (await errorOf(unknown)).code]).toEqual([400, 'unknown_parameter']);
  });

  it('has the shape even when the request was not HTTP, or its headers were too large', async () => {
    const garbage = await raw('NOT HTTP AT ALL\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
    expect(garbage).toContain('"code":"invalid_header"');
    const large = await raw(`GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
    expect(large).toContain('"code":"headers_too_large"');
  });

  it('is RFC 9457 for those who ask for it', async () => {
    const response = await rig.request('/v1/jobs', {
      body: { ...job, temperature: 3 },
      headers: { accept: 'application/problem+json, application/json;q=0.5', 'x-request-id': 'mine' },
    });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({
      type: 'urn:inkwell:error:invalid_parameter',
      status: 400,
      param: 'temperature',
      instance: 'urn:inkwell:request:mine',
    });
    const refused = await rig.request('/nothing', { headers: { accept: 'application/problem+json;q=0, */*' } });
    expect(refused.headers.get('content-type')).toBe('application/json');
  });
});

describe('every answer', () => {
  it('carries a request id, the time it took and headers that bind browsers', async () => {
    for (const path of ['/api/health/ping', '/nothing', '/openapi.json']) {
      const response = await rig.request(path);
      expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
      expect(Number(response.headers.get('x-process-time'))).toBeGreaterThan(0);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(response.headers.get('x-powered-by')).toBeNull();
    }
  });

  it('repeats a sane request id of the client and replaces any other', async () => {
    const sane = await rig.request('/api/health/ping', { headers: { 'x-request-id': 'trace-1.a_B' } });
    expect(sane.headers.get('x-request-id')).toBe('trace-1.a_B');
    for (const id of ['x'.repeat(129), 'a b', '<script>']) {
      const other = await rig.request('/api/health/ping', { headers: { 'x-request-id': id } });
      expect(other.headers.get('x-request-id')).toMatch(/^req_/);
    }
  });
});
