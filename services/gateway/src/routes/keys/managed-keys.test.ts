import { createHmac } from 'node:crypto';
import { contentDigest } from '@inkwell/identity';
import { noRates } from '@inkwell/limits';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerPerson, signIn, withToken } from '../../testing/people.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
let token: string;
beforeAll(async () => {
  // Kay makes more keys within a minute than a person may.
  const rates = { ipRequestsPerMinute: null, readsPerMinute: null, user: noRates, key: noRates };
  rig = await startRig({ config: { rates } });
  await registerPerson(rig, 'kay');
  token = (await signIn(rig, 'kay')).access_token;
});
afterAll(() => rig.close());

interface Made {
  id: string;
  key: string;
  role: string;
  tenant: string;
  scopes: string[] | null;
  signing_secret: string | null;
  usage_count: number;
  last_used_at: number | null;
}

const mine = (path: string, options = {}) => withToken(rig, token, path, options);
async function make(body: object): Promise<Made> {
  const response = await mine('/api/keys', { body: { name: 'k', ...body } });
  expect(response.status).toBe(201);
  return (await response.json()) as Made;
}
const status = async (key: string, path = '/v1/models', options = {}) =>
  (await rig.request(path, { key, ...options })).status;
const codeOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string } }).error;

describe('a person’s keys', () => {
  it('belong to their tenant, can do less than they, and make no further keys', async () => {
    const made = await make({});
    expect(made).toMatchObject({ role: 'user', scopes: null });
    expect(await status(made.key)).toBe(200);
    expect(await status(made.key, '/api/keys')).toBe(403);
    const restricted = await make({ scopes: ['models'] });
    expect([await status(restricted.key), await status(restricted.key, '/v1/jobs')]).toEqual([200, 403]);
  });

  it.each([
    [{ role: 'superuser' }, 'role'],
    [{ tenant: 'alice' }, 'tenant'],
    [{ scopes: ['admin'] }, 'scopes'],
    [{ limits: { requests_per_minute: 9 } }, 'limits'],
  ])('cannot be given %j', async (wish, param) => {
    const response = await mine('/api/keys', { body: { name: 'k', ...wish } });
    expect([response.status, (await codeOf(response)).param]).toEqual([403, param]);
  });

  it('of a token with few scopes have no more of them', async () => {
    const narrow = await rig.request('/api/auth/login', {
      key: null,
      body: { username: 'kay', password: 'correct horse battery', scope: 'keys models' },
    });
    const { access_token } = (await narrow.json()) as { access_token: string };
    const made = await withToken(rig, access_token, '/api/keys', { body: { name: 'k' } });
    expect(((await made.json()) as Made).scopes).toEqual(['models']);
  });

  it('change in force at once, and restrict models', async () => {
    const { id, key } = await make({});
    expect(await status(key, '/v1/models/test-model')).toBe(200);
    const change = (body: object) => mine(`/api/keys/${id}`, { method: 'PATCH', body });
    expect(await (await change({ models: ['other'] })).json()).toMatchObject({ models: ['other'], name: 'k' });
    expect(await status(key, '/v1/models/test-model')).toBe(404);
    expect(await status(key, '/v1/jobs', { body: { model: 'test-model', prompt: 'x' } })).toBe(404);
    await change({ models: null });
    expect(await status(key, '/v1/models/test-model')).toBe(200);
  });

  it('work from the addresses they are given, and no other', async () => {
    const { id, key } = await make({ allowed_ips: ['10.0.0.0/8', '2001:db8::/32'] });
    const refused = await rig.request('/v1/models', { key });
    expect([refused.status, (await codeOf(refused)).code]).toEqual([403, 'address_not_allowed']);
    expect(await status(key, '/v1/models', { headers: { 'x-forwarded-for': '10.1.2.3' } })).toBe(403);
    await mine(`/api/keys/${id}`, { method: 'PATCH', body: { allowed_ips: ['127.0.0.0/8'] } });
    expect(await status(key)).toBe(200);
    const wrong = await mine('/api/keys', { body: { name: 'k', allowed_ips: ['10.0.0.1', '10.0.0.0/99'] } });
    expect([wrong.status, (await codeOf(wrong)).param]).toEqual([400, 'allowed_ips.1']);
  });

  it('rotate with an overlap: both work, then only the new one', async () => {
    const { id, key } = await make({});
    const rotate = async (overlap_seconds: number) => {
      const response = await mine(`/api/keys/${id}/rotate`, { body: { overlap_seconds } });
      return ((await response.json()) as Made).key;
    };
    const second = await rotate(3600);
    expect([await status(key), await status(second)]).toEqual([200, 200]);
    const third = await rotate(0);
    expect([await status(key), await status(second), await status(third)]).toEqual([401, 401, 200]);
  });

  it('count their uses, in batches', async () => {
    const { id, key } = await make({});
    for (let round = 0; round < 5; round++) await status(key);
    await expect
      .poll(async () => ((await (await mine(`/api/keys/${id}`)).json()) as Made).usage_count, { timeout: 10_000 })
      .toBe(5);
  });
});

describe('signed requests (RFC 9421)', () => {
  interface Signing {
    created?: number;
    nonce?: string;
    components?: string[];
    secret?: string;
    keyid?: string;
    signedBody?: string;
  }
  let made: Made;
  let nonces = 0;
  beforeAll(async () => {
    made = await make({ signed: true });
  });

  async function send(method: string, target: string, body: string | undefined, signing: Signing = {}) {
    nonces += 1;
    const digest = body === undefined ? undefined : contentDigest(Buffer.from(signing.signedBody ?? body));
    const components = signing.components ?? ['@method', '@path', '@query', ...(digest ? ['content-digest'] : [])];
    const [path = '', query] = target.split('?');
    const values: Record<string, string> = {
      '@method': method,
      '@path': path,
      '@query': `?${query ?? ''}`,
      'content-digest': digest ?? '',
    };
    const created = signing.created ?? Math.floor(Date.now() / 1000);
    const list = components.map((one) => `"${one}"`).join(' ');
    const input = `(${list});created=${created};keyid="${signing.keyid ?? made.id}";nonce="${signing.nonce ?? `nonce-number-${nonces}`}"`;
    const base = [...components.map((one) => `"${one}": ${values[one]}`), `"@signature-params": ${input}`].join('\n');
    const secret = Buffer.from(signing.secret ?? made.signing_secret!, 'base64url');
    const signature = createHmac('sha256', secret).update(base).digest('base64');
    return rig.request(target, {
      key: made.key,
      method,
      body,
      headers: {
        'signature-input': `sig1=${input}`,
        signature: `sig1=:${signature}:`,
        ...(digest ? { 'content-digest': digest } : {}),
      },
    });
  }
  const body = JSON.stringify({ model: 'test-model', prompt: 'x' });

  it('are accepted with a right signature over what they are', async () => {
    expect((await send('GET', '/v1/models', undefined)).status).toBe(200);
    expect((await send('GET', '/v1/jobs?limit=1', undefined)).status).toBe(200);
    expect((await send('POST', '/v1/jobs', body)).status).toBe(202);
  });

  it.each<[string, Signing]>([
    ['an old date', { created: Math.floor(Date.now() / 1000) - 310 }],
    ['a date to come', { created: Math.floor(Date.now() / 1000) + 330 }],
    ['another secret', { secret: 'A'.repeat(43) }],
    ['another key’s id', { keyid: 'key_other' }],
    ['a body that was changed', { signedBody: `${body} ` }],
    ['no digest covered', { components: ['@method', '@path', '@query'] }],
    ['no query covered', { components: ['@method', '@path', 'content-digest'] }],
    ['no path covered', { components: ['@method', '@query', 'content-digest'] }],
    ['a short nonce', { nonce: 'x' }],
  ])('are refused with %s', async (_what, signing) => {
    const response = await send('POST', '/v1/jobs', body, signing);
    expect([response.status, (await codeOf(response)).code]).toEqual([401, 'invalid_signature']);
  });

  it('are refused the second time, and without a signature', async () => {
    expect((await send('GET', '/v1/models', undefined, { nonce: 'only-once' })).status).toBe(200);
    expect((await send('GET', '/v1/models', undefined, { nonce: 'only-once' })).status).toBe(401);
    expect(await status(made.key)).toBe(401);
  });

  it('cannot be got around with a token', async () => {
    const form = { grant_type: 'client_credentials', client_id: made.id, client_secret: made.key };
    const response = await fetch(`${rig.url}/api/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
    expect(response.status).toBe(401);
  });
});
