/** What a password may be, how it is changed, and how long what it opened stays open. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { password, registerPerson, signIn, type Tokens, withToken } from '../../testing/people.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

let people = 0;
const newcomer = () => `newcomer-${++people}`;
const post = (path: string, body: unknown, on = rig) => on.request(path, { key: null, body });
const register = (username: string, chosen: string) => post('/api/auth/register', { username, password: chosen });
const login = async (username: string, given: string) =>
  (await post('/api/auth/login', { username, password: given })).status;
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string; message: string } }).error;

describe('a password', () => {
  it.each([
    ['lower case alone', 'abcdqwmvzk'],
    ['digits alone', '8306152947'],
    ['spaces', '    correct    '],
    ['letters of other scripts', 'пароль-не-простой'],
    ['pictures', '🦜🦊🦜🦊🦜🦊🦜🦊'],
    ['128 characters', 'long '.repeat(25).concat('end')],
  ])('may be of %s, and is taken exactly as it is', async (_, chosen) => {
    const username = newcomer();
    expect((await register(username, chosen)).status).toBe(201);
    expect(await login(username, chosen)).toBe(200);
    for (const other of [chosen.toUpperCase(), chosen.trim(), chosen.slice(0, -1), `${chosen} `]) {
      if (other !== chosen) expect([400, 401]).toContain(await login(username, other));
    }
  });

  it.each([
    ['1qaz2wsx', 'is one of the most common passwords'],
    ['Football', 'is one of the most common passwords'],
    ['thunderbird', 'is one of the most common passwords'],
    ['welcome-to-Inkwell', 'must not hold the word inkwell'],
    ['newcomer-0-newcomer', 'must not hold the username'],
    ['seven77', 'must have at least 8 characters'],
  ])('is not %s', async (chosen, problem) => {
    const error = await errorOf(await register('newcomer-0', chosen));
    expect([error.param, error.message]).toEqual(['password', `password: ${problem}`]);
  });
});

describe('changing it', () => {
  const change = (token: string, current: string, next: string) =>
    withToken(rig, token, '/api/auth/password', { body: { current_password: current, new_password: next } });
  const next = 'another horse, another battery';

  it('takes the current one, ends every other session, and leaves this one and the keys', async () => {
    const username = newcomer();
    await registerPerson(rig, username);
    const [here, there] = [await signIn(rig, username), await signIn(rig, username)];
    const made = await withToken(rig, here.access_token, '/api/keys', { body: { name: 'mine' } });
    const { key } = (await made.json()) as { key: string };
    expect((await change(here.access_token, password, next)).status).toBe(204);
    expect([await login(username, password), await login(username, next)]).toEqual([401, 200]);
    const me = async ({ access_token }: Tokens) => (await withToken(rig, access_token, '/api/auth/me')).status;
    expect([await me(here), await me(there)]).toEqual([200, 401]);
    expect((await post('/api/auth/refresh', { refresh_token: there.refresh_token })).status).toBe(401);
    expect((await post('/api/auth/refresh', { refresh_token: here.refresh_token })).status).toBe(200);
    expect((await rig.request('/v1/models', { key })).status).toBe(200);
  });

  it('is refused with a wrong one, and lets nobody guess it with a stolen token', async () => {
    const username = newcomer();
    await registerPerson(rig, username);
    const { access_token } = await signIn(rig, username);
    const statuses = [];
    for (let round = 0; round < 6; round++) statuses.push((await change(access_token, `wrong ${round}`, next)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await withToken(rig, access_token, '/api/auth/me')).status).toBe(200);
    expect(await rig.ports.userStore.findByUsername(username)).toMatchObject({ disabledAt: null });
  });

  it('is refused for a new one that could not be registered, and for keys', async () => {
    const username = newcomer();
    await registerPerson(rig, username);
    const { access_token } = await signIn(rig, username);
    for (const poor of ['short', 'football', `${username}!`]) {
      expect((await errorOf(await change(access_token, password, poor))).param).toBe('new_password');
    }
    const body = { current_password: password, new_password: next };
    expect((await rig.request('/api/auth/password', { body })).status).toBe(403);
    expect(await login(username, password)).toBe(200);
  });

  it('lets one of two changes at once win', async () => {
    const username = newcomer();
    await registerPerson(rig, username);
    const { access_token } = await signIn(rig, username);
    const wishes = ['first of two wishes', 'second of two wishes'];
    const answers = await Promise.all(wishes.map((wish) => change(access_token, password, wish)));
    const won = answers.flatMap(({ status }, index) => (status === 204 ? [wishes[index]!] : []));
    expect(won).toHaveLength(1);
    expect(await login(username, won[0]!)).toBe(200);
  });
});

describe('what it opened', () => {
  const withLifetimes = async (config: object, use: (own: Rig) => Promise<void>) => {
    const own = await startRig({ config });
    try {
      await registerPerson(own, 'mortal');
      await use(own);
    } finally {
      await own.close();
    }
  };
  const refresh = (own: Rig, token: string) => post('/api/auth/refresh', { refresh_token: token }, own);

  it('is closed when it lay unused too long', async () => {
    await withLifetimes({ refreshTokenTtlMs: 1 }, async (own) => {
      const { refresh_token } = await signIn(own, 'mortal');
      expect((await refresh(own, refresh_token)).status).toBe(401);
    });
  });

  it('is closed when it has been open too long, however often it was refreshed', async () => {
    await withLifetimes({ longestSessionMs: 1 }, async (own) => {
      const first = await signIn(own, 'mortal');
      const second = (await (await refresh(own, first.refresh_token)).json()) as Tokens;
      expect((await refresh(own, second.refresh_token)).status).toBe(401);
    });
  });

  it('is closed in the console by time, by another sign-in, and by leaving, which clears what the browser kept', async () => {
    const open = async (own: Rig, cookie = '') => {
      const body = { username: 'mortal', password };
      const response = await own.request('/api/auth/session', { key: null, body, headers: cookie ? { cookie } : {} });
      const { csrf_token } = (await response.json()) as { csrf_token: string };
      return { cookie: response.headers.getSetCookie()[0]!.split(';')[0]!, csrf_token };
    };
    const me = async (own: Rig, { cookie }: { cookie: string }) =>
      (await own.request('/api/auth/me', { key: null, headers: { cookie } })).status;
    await withLifetimes({ browserSessionTtlMs: 1 }, async (own) => {
      expect(await me(own, await open(own))).toBe(401);
    });
    await withLifetimes({}, async (own) => {
      const first = await open(own);
      expect(await me(own, first)).toBe(200);
      const second = await open(own, first.cookie);
      expect(second.cookie).not.toBe(first.cookie);
      expect([await me(own, first), await me(own, second)]).toEqual([401, 200]);
      const headers = { cookie: second.cookie, 'x-csrf-token': second.csrf_token };
      const out = await own.request('/api/auth/logout', { key: null, method: 'POST', headers });
      expect(out.headers.get('clear-site-data')).toBe('"cache", "cookies", "storage"');
      expect(await me(own, second)).toBe(401);
    });
  });
});
