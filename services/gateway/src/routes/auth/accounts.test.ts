import { newUser } from '@inkwell/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bcryptOfPassword,
  bearer,
  password,
  registerPerson,
  signIn,
  type Tokens,
  withToken,
} from '../../testing/people.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const post = (path: string, body: unknown) => rig.request(path, { key: null, body });
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string } }).error;

describe('registering', () => {
  it('makes an account with a tenant of its own, that can sign in at once', async () => {
    const { id, tenant } = await registerPerson(rig, 'alma');
    expect(tenant).toBe(id);
    const { access_token } = await signIn(rig, 'ALMA');
    const me = await withToken(rig, access_token, '/api/auth/me');
    expect(await me.json()).toMatchObject({ id, username: 'alma', role: 'user', tenant, email: null });
    expect((await withToken(rig, access_token, '/v1/models')).status).toBe(200);
  });

  it.each([
    ['role', 'superuser'],
    ['tenant', 'alice'],
    ['email_verified', true],
    ['id', 'user_1'],
  ])('can never set %s', async (field, value) => {
    const response = await post('/api/auth/register', { username: 'eve', password, [field]: value });
    expect([response.status, (await errorOf(response)).param]).toEqual([400, field]);
    expect(await rig.ports.userStore.findByUsername('eve')).toBeUndefined();
  });

  it.each([
    [{ username: 'a@b.c', password }, 'username'],
    [{ username: 'x', password }, 'username'],
    [{ username: 'bob', password: 'short' }, 'password'],
    [{ username: 'bob', password: 'Password123' }, 'password'],
    [{ username: 'bobby.tables', password: 'xbobby.tablesx' }, 'password'],
    [{ username: 'bob', password, email: 'nonsense' }, 'email'],
  ])('is refused by name for %j', async (body, param) => {
    const response = await post('/api/auth/register', body);
    expect([response.status, (await errorOf(response)).param]).toEqual([400, param]);
  });

  it('lets one of five people who want the same name have it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => post('/api/auth/register', { username: 'wanted', password })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });
});

describe('signing in', () => {
  beforeAll(() => registerPerson(rig, 'carol'));

  it('takes the form of OAuth 2 as well', async () => {
    const response = await fetch(`${rig.url}/api/auth/login`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', username: 'carol', password, scope: 'jobs models' }),
    });
    const tokens = (await response.json()) as Tokens;
    expect(tokens.scope).toBe('jobs models');
    expect((await withToken(rig, tokens.access_token, '/v1/jobs')).status).toBe(200);
    const refused = await withToken(rig, tokens.access_token, '/v1/tokenize', { body: { prompt: 'x' } });
    expect([refused.status, (await errorOf(refused)).code]).toEqual([403, 'insufficient_scope']);
  });

  it('tells an unknown name, a wrong password and a disabled account apart for nobody', async () => {
    const disabled = newUser({ username: 'disabled', disabledAt: 1, passwordHash: bcryptOfPassword }, 1);
    await rig.ports.userStore.create(disabled);
    const tries = [
      { username: 'nobody-here', password },
      { username: 'carol', password: 'wrong' },
      { username: 'disabled', password },
    ];
    const answers = await Promise.all(
      tries.map(async (body) => {
        const response = await post('/api/auth/login', body);
        return [response.status, response.headers.get('www-authenticate'), await response.text()];
      }),
    );
    expect(answers[0]?.[0]).toBe(401);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('accepts the bcrypt hash of an imported account and replaces it', async () => {
    const passwordHash = bcryptOfPassword;
    const user = newUser({ username: 'imported', passwordHash }, Date.now());
    await rig.ports.userStore.create(user);
    expect((await post('/api/auth/login', { username: 'imported', password: 'wrong one' })).status).toBe(401);
    expect((await rig.ports.userStore.get(user.id))?.passwordHash).toBe(passwordHash);
    await signIn(rig, 'imported');
    expect((await rig.ports.userStore.get(user.id))?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    await signIn(rig, 'imported');
  });

  it('makes a guesser wait, whether the name exists or not, and forgets it after a success', async () => {
    await registerPerson(rig, 'dora');
    for (const username of ['dora', 'not-there']) {
      const statuses: number[] = [];
      for (let round = 0; round < 6; round++) {
        const response = await post('/api/auth/login', { username, password: `wrong ${round}` });
        statuses.push(response.status);
        if (response.status === 429) expect(Number(response.headers.get('retry-after'))).toBe(1);
      }
      expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    }
    await registerPerson(rig, 'emma');
    for (let round = 0; round < 4; round++) await post('/api/auth/login', { username: 'emma', password: 'wrong' });
    for (let round = 0; round < 4; round++) await signIn(rig, 'emma');
  });
});

describe('refreshing', () => {
  const refresh = (token: string) => post('/api/auth/refresh', { refresh_token: token });

  it('rotates; an old token that comes back ends the family, access tokens included', async () => {
    await registerPerson(rig, 'fay');
    const first = await signIn(rig, 'fay');
    const other = await signIn(rig, 'fay');
    const second = (await (await refresh(first.refresh_token)).json()) as Tokens;
    expect((await withToken(rig, second.access_token, '/api/auth/me')).status).toBe(200);
    expect((await refresh(first.refresh_token)).status).toBe(401);
    expect((await refresh(second.refresh_token)).status).toBe(401);
    for (const { access_token } of [first, second]) {
      expect((await withToken(rig, access_token, '/api/auth/me')).status).toBe(401);
    }
    expect((await withToken(rig, other.access_token, '/api/auth/me')).status).toBe(200);
  });

  it('lets one of ten refreshes at once win, and then ends the family', async () => {
    const { refresh_token } = await signIn(rig, 'fay');
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refresh_token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const won = answers.find(({ status }) => status === 200)!;
    expect((await refresh(((await won.json()) as Tokens).refresh_token)).status).toBe(401);
  });

  it('takes no token that was made up, and revokes nothing for it', async () => {
    const tokens = await signIn(rig, 'fay');
    const [head = '', generation, random, signature] = tokens.refresh_token.split('.');
    const forged = [
      [head, generation, random, 'A'.repeat(43)],
      [head, '2', random, signature],
      [head, generation, 'A'.repeat(43), signature],
      [`${head.slice(0, -1)}${head.endsWith('0') ? '1' : '0'}`, generation, random, signature],
    ].map((parts) => parts.join('.'));
    for (const token of [...forged, '', 'irt_', tokens.access_token, head]) {
      expect([400, 401]).toContain((await refresh(token)).status);
    }
    expect((await refresh(tokens.refresh_token)).status).toBe(200);
  });

  it('is no way to use a refresh token for access', async () => {
    const { refresh_token } = await signIn(rig, 'fay');
    expect((await withToken(rig, refresh_token, '/v1/models')).status).toBe(401);
  });
});

describe('sessions', () => {
  it('end with logout: access and refresh token are void', async () => {
    await registerPerson(rig, 'gil');
    const tokens = await signIn(rig, 'gil');
    expect((await withToken(rig, tokens.access_token, '/api/auth/logout', { method: 'POST' })).status).toBe(204);
    expect((await withToken(rig, tokens.access_token, '/api/auth/me')).status).toBe(401);
    expect((await post('/api/auth/refresh', { refresh_token: tokens.refresh_token })).status).toBe(401);
  });

  it('are listed and revoked by their owner', async () => {
    const [here, there] = [await signIn(rig, 'gil'), await signIn(rig, 'gil')];
    const list = async () => {
      const response = await withToken(rig, here.access_token, '/api/auth/sessions');
      return ((await response.json()) as { data: { id: string; current: boolean }[] }).data;
    };
    const other = (await list()).find(({ current }) => !current)!;
    expect((await list()).filter(({ current }) => current)).toHaveLength(1);
    const revoke = () => withToken(rig, here.access_token, `/api/auth/sessions/${other.id}`, { method: 'DELETE' });
    expect((await revoke()).status).toBe(204);
    expect((await revoke()).status).toBe(404);
    expect((await withToken(rig, there.access_token, '/api/auth/me')).status).toBe(401);
    expect((await list()).map(({ id }) => id)).not.toContain(other.id);
  });

  it('are not for API keys', async () => {
    for (const path of ['/api/auth/me', '/api/auth/sessions']) expect((await rig.request(path)).status).toBe(403);
  });
});

describe("the console's cookie", () => {
  async function open() {
    const response = await post('/api/auth/session', { username: 'gil', password });
    expect(response.status).toBe(200);
    const header = response.headers.getSetCookie()[0]!;
    const { csrf_token } = (await response.json()) as { csrf_token: string };
    return { header, cookie: header.split(';')[0]!, csrf_token };
  }
  const call = (cookie: string, path: string, method: string, csrf?: string) =>
    rig.request(path, {
      key: null,
      method,
      headers: { cookie, ...(csrf === undefined ? {} : { 'x-csrf-token': csrf }) },
    });

  it('is unreadable for scripts and never sent by other sites', async () => {
    expect((await open()).header).toMatch(
      /^inkwell_session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  it('reads alone, and changes only together with the token of its own session', async () => {
    const [mine, other] = [await open(), await open()];
    expect((await call(mine.cookie, '/api/auth/me', 'GET')).status).toBe(200);
    expect(await (await call(mine.cookie, '/api/auth/session', 'GET')).json()).toMatchObject({
      csrf_token: mine.csrf_token,
    });
    for (const csrf of [undefined, '', 'x', other.csrf_token]) {
      const response = await call(mine.cookie, '/api/auth/logout', 'POST', csrf);
      expect([response.status, (await errorOf(response)).code]).toEqual([403, 'csrf_token_invalid']);
    }
    const out = await call(mine.cookie, '/api/auth/logout', 'POST', mine.csrf_token);
    expect([out.status, out.headers.getSetCookie()[0]]).toEqual([
      204,
      expect.stringContaining('inkwell_session=; Max-Age=0'),
    ]);
    expect((await call(mine.cookie, '/api/auth/me', 'GET')).status).toBe(401);
    expect((await call(other.cookie, '/api/auth/me', 'GET')).status).toBe(200);
  });

  it('is not made from a form, nor from a refresh token', async () => {
    const form = await fetch(`${rig.url}/api/auth/session`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'gil', password }),
    });
    expect(form.status).toBe(415);
    const { refresh_token } = await signIn(rig, 'gil');
    expect((await call(`inkwell_session=${refresh_token}`, '/api/auth/me', 'GET')).status).toBe(401);
  });
});

describe('the OAuth 2 token endpoint', () => {
  const ask = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${rig.url}/api/auth/token`, { method: 'POST', body: new URLSearchParams(form), headers });
  const made = async (body: object) =>
    (await (await rig.request('/api/keys', { body: { name: 'machine', ...body } })).json()) as {
      id: string;
      key: string;
    };

  it('gives a machine a token for its API key, for what the key may do or less', async () => {
    const { id, key } = await made({ scopes: ['jobs', 'models'] });
    const basic = { authorization: `Basic ${Buffer.from(`${id}:${key}`).toString('base64')}` };
    const response = await ask({ grant_type: 'client_credentials', scope: 'jobs' }, basic);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const tokens = (await response.json()) as Tokens;
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'jobs' });
    expect(tokens).not.toHaveProperty('refresh_token');
    expect((await withToken(rig, tokens.access_token, '/v1/jobs')).status).toBe(200);
    expect((await withToken(rig, tokens.access_token, '/v1/models')).status).toBe(403);
    expect((await withToken(rig, tokens.access_token, '/api/auth/me')).status).toBe(403);
    await rig.request(`/api/keys/${id}`, { method: 'DELETE' });
    expect((await withToken(rig, tokens.access_token, '/v1/jobs')).status).toBe(401);
  });

  it('tells errors as RFC 6749 does', async () => {
    const { id, key } = await made({ scopes: ['jobs'] });
    const credentials = { client_id: id, client_secret: key };
    const cases: [Record<string, string>, number, string][] = [
      [{ grant_type: 'client_credentials' }, 401, 'invalid_client'],
      [
        { grant_type: 'client_credentials', ...credentials, client_secret: `${key.slice(0, -1)}!` },
        401,
        'invalid_client',
      ],
      [{ grant_type: 'client_credentials', ...credentials, client_id: 'key_other' }, 401, 'invalid_client'],
      [{ grant_type: 'client_credentials', ...credentials, scope: 'jobs keys' }, 400, 'invalid_scope'],
      [{ grant_type: 'password', ...credentials }, 400, 'unsupported_grant_type'],
      [{ grant_type: 'refresh_token', refresh_token: 'irt_no' }, 400, 'invalid_grant'],
      [{ grant_type: 'refresh_token' }, 400, 'invalid_request'],
      [{ scope: 'jobs' }, 400, 'invalid_request'],
    ];
    for (const [form, status, error] of cases) {
      const response = await ask(form);
      expect([response.status, await response.json()]).toEqual([
        status,
        { error, error_description: expect.any(String) },
      ]);
    }
  });

  it('renews tokens of people', async () => {
    const { refresh_token } = await signIn(rig, 'gil');
    const response = await ask({ grant_type: 'refresh_token', refresh_token });
    expect([response.status, Object.keys((await response.json()) as object)]).toEqual([
      200,
      expect.arrayContaining(['refresh_token']),
    ]);
  });
});

describe('administration', () => {
  it('disabling somebody ends sessions and keys, enabling gives the keys back', async () => {
    const { id } = await registerPerson(rig, 'hal');
    const { access_token } = await signIn(rig, 'hal');
    const made = await withToken(rig, access_token, '/api/keys', { body: { name: 'mine' } });
    const { key } = (await made.json()) as { key: string };
    const set = (body: object) => rig.request(`/api/admin/users/${id}`, { method: 'PATCH', body });
    const works = async () => [
      (await rig.request('/v1/models', { key })).status,
      (await withToken(rig, access_token, '/v1/models')).status,
      (await post('/api/auth/login', { username: 'hal', password })).status,
    ];
    expect(await works()).toEqual([200, 200, 200]);
    expect((await set({ disabled: true })).status).toBe(200);
    expect(await works()).toEqual([401, 401, 401]);
    expect((await set({ disabled: false })).status).toBe(200);
    expect(await works()).toEqual([200, 401, 200]);
  });

  it('a role takes effect at once, also for tokens already given, and never beyond it for keys', async () => {
    const { id } = await registerPerson(rig, 'ida');
    const { access_token } = await signIn(rig, 'ida');
    const users = () => withToken(rig, access_token, '/api/admin/users?limit=1');
    const set = (role: string) => rig.request(`/api/admin/users/${id}`, { method: 'PATCH', body: { role } });
    expect((await users()).status).toBe(403);
    await set('superuser');
    const { access_token: higher } = await signIn(rig, 'ida');
    expect((await withToken(rig, higher, '/api/admin/users?limit=1')).status).toBe(200);
    const made = await withToken(rig, higher, '/api/keys', { body: { name: 'root', role: 'superuser' } });
    const { key } = (await made.json()) as { key: string };
    expect((await rig.request('/api/admin/users', { key })).status).toBe(200);
    await set('user');
    expect((await withToken(rig, higher, '/api/admin/users?limit=1')).status).toBe(403);
    expect((await rig.request('/api/admin/users', { key })).status).toBe(403);
  });

  it('is a superuser’s, and names what is wrong', async () => {
    expect((await rig.request('/api/admin/users', { key: await rig.addKey('x', 'operator') })).status).toBe(403);
    expect((await rig.request('/api/admin/users/user_0', { method: 'PATCH', body: {} })).status).toBe(404);
    const wrong = await rig.request('/api/admin/users/user_0', { method: 'PATCH', body: { role: 'root' } });
    expect([wrong.status, (await errorOf(wrong)).param]).toEqual([400, 'role']);
  });
});

it('takes an access token where a key would do, and no other scheme', async () => {
  await registerPerson(rig, 'jon');
  const { access_token } = await signIn(rig, 'jon');
  expect((await rig.request('/v1/jobs', { key: null, headers: bearer(access_token) })).status).toBe(200);
  expect((await rig.request('/v1/jobs', { key: null, headers: { 'x-api-key': access_token } })).status).toBe(401);
});
