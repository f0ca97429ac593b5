import { newUser } from '@inkwell/identity';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type GithubPerson, type GithubServer, githubApp, startGithub } from '../../testing/github-server.ts';
import { bearer } from '../../testing/people.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
let github: GithubServer;
const publicUrl = 'http://inkwell.test';

beforeAll(async () => {
  github = await startGithub();
  const callbackUrl = `${publicUrl}/api/auth/callback/github`;
  rig = await startRig({
    config: { publicUrl, github: { ...githubApp, webUrl: github.url, apiUrl: github.url, callbackUrl } },
  });
});
afterAll(async () => {
  await rig.close();
  await github.close();
});

let people = 0;
function person(emails: GithubPerson['emails'] = [], login = `octo-${people}`): GithubPerson {
  people += 1;
  return { id: 1000 + people, login, emails };
}
beforeEach(() => {
  github.failWith = null;
});

interface Journey {
  /** Of the callback, as GitHub asked for it. */
  query: URLSearchParams;
  cookie: string;
}

/** As a browser: to GitHub and back, up to the request of the callback. */
async function travel(who: GithubPerson | null): Promise<Journey> {
  github.person = who;
  const begun = await fetch(`${rig.url}/api/auth/login/github`, { redirect: 'manual' });
  expect(begun.status).toBe(302);
  const header = begun.headers.getSetCookie()[0]!;
  expect(header).toMatch(
    /^inkwell_oauth=[\w.-]+; Max-Age=600; Path=\/api\/auth\/callback\/github; HttpOnly; SameSite=Lax$/,
  );
  const back = await fetch(begun.headers.get('location')!, { redirect: 'manual' });
  return { query: new URL(back.headers.get('location')!).searchParams, cookie: header.split(';')[0]! };
}

const arrive = ({ query, cookie }: Journey, headers: Record<string, string> = {}) =>
  fetch(`${rig.url}/api/auth/callback/github?${query}`, { headers: { cookie, ...headers }, redirect: 'manual' });

async function whoIs(response: Response) {
  expect(response.status).toBe(200);
  const { access_token } = (await response.json()) as { access_token: string };
  const me = await rig.request('/api/auth/me', { key: null, headers: bearer(access_token) });
  return (await me.json()) as {
    id: string;
    username: string;
    email: string | null;
    email_verified: boolean;
    role: string;
  };
}

const signIn = async (who: GithubPerson) => whoIs(await arrive(await travel(who)));
const verified = (email: string) => ({ email, verified: true, primary: true });

describe('signing in through GitHub', () => {
  it('makes an account at the first time and finds it by GitHub’s number afterwards, whatever its name is then', async () => {
    const who = person([verified('Octo@Example.org')]);
    const first = await signIn(who);
    expect(first).toMatchObject({ username: who.login, email: 'octo@example.org', email_verified: true, role: 'user' });
    expect((await signIn({ ...who, login: 'renamed', emails: [] })).id).toBe(first.id);
  });

  it('gives a browser the console’s cookie and forgets the one of the way', async () => {
    const response = await arrive(await travel(person()), { accept: 'text/html,*/*' });
    expect([response.status, response.headers.get('location')]).toEqual([303, '/console']);
    const cookies = response.headers.getSetCookie();
    expect(cookies[0]).toContain('inkwell_oauth=; Max-Age=0');
    const cookie = cookies[1]!.split(';')[0]!;
    expect((await rig.request('/api/auth/me', { key: null, headers: { cookie } })).status).toBe(200);
  });
});

describe('linking', () => {
  it('goes by an address that both sides know to be verified', async () => {
    const user = newUser({ username: 'local-1', email: 'one@example.org', emailVerified: true }, 1);
    await rig.ports.userStore.create(user);
    expect((await signIn(person([verified('one@example.org')]))).id).toBe(user.id);
  });

  it.each([
    ['the address is not verified here (somebody may have typed it to wait for its owner)', false, true],
    ['the address is not verified at GitHub', true, false],
  ])('does not when %s', async (_why, here, there) => {
    const email = `${here}-${there}@example.org`;
    const user = newUser({ username: `local-${here}-${there}`, email, emailVerified: here }, 1);
    await rig.ports.userStore.create(user);
    const signedIn = await signIn(person([{ email, verified: there, primary: true }]));
    expect(signedIn.id).not.toBe(user.id);
    expect((await rig.ports.userStore.get(user.id))?.githubId).toBeNull();
  });

  it('never goes by the name', async () => {
    const user = newUser({ username: 'same-name', role: 'superuser' }, 1);
    await rig.ports.userStore.create(user);
    const signedIn = await signIn(person([], 'same-name'));
    expect(signedIn).toMatchObject({ username: 'same-name-2', role: 'user' });
    expect(signedIn.id).not.toBe(user.id);
  });

  it('does not take an account from the GitHub user it has', async () => {
    const first = await signIn(person([verified('shared@example.org')]));
    const second = await signIn(person([verified('shared@example.org')]));
    expect(second.id).not.toBe(first.id);
    expect(second.email).toBeNull();
  });

  it('lets no disabled account in', async () => {
    const who = person();
    const { id } = await signIn(who);
    await rig.request(`/api/admin/users/${id}`, { method: 'PATCH', body: { disabled: true } });
    expect((await arrive(await travel(who))).status).toBe(401);
  });
});

function changed(query: URLSearchParams, changes: Record<string, string | null>): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return next;
}

describe('refusing', () => {
  async function codeOf(response: Response): Promise<unknown> {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(JSON.stringify(error)).not.toMatch(/gho_|github-app-secret|127\.0\.0\.1/);
    return [response.status, error.code];
  }

  it.each([
    ['another state', ({ query, cookie }: Journey) => ({ query: changed(query, { state: 'other' }), cookie })],
    ['no state', ({ query, cookie }: Journey) => ({ query: changed(query, { state: null }), cookie })],
    ['another browser', ({ query }: Journey) => ({ query, cookie: '' })],
    ['a made-up cookie', ({ query }: Journey) => ({ query, cookie: 'inkwell_oauth=e30.e30.e30.e30.e30' })],
    ['a made-up code', ({ query, cookie }: Journey) => ({ query: changed(query, { code: 'nonsense' }), cookie })],
    ['no code', ({ query, cookie }: Journey) => ({ query: changed(query, { code: null }), cookie })],
  ])('%s', async (_what, change) => {
    expect(await codeOf(await arrive(change(await travel(person()))))).toEqual([401, 'sign_in_failed']);
  });

  it('the code of another sign-in: its verifier does not fit', async () => {
    const [mine, theirs] = [await travel(person()), await travel(person())];
    mine.query.set('code', theirs.query.get('code')!);
    expect(await codeOf(await arrive(mine))).toEqual([401, 'sign_in_failed']);
  });

  it('a code that was used', async () => {
    const journey = await travel(person());
    expect((await arrive(journey)).status).toBe(200);
    expect(await codeOf(await arrive(journey))).toEqual([401, 'sign_in_failed']);
  });

  it('a person who said no', async () => {
    expect(await codeOf(await arrive(await travel(null)))).toEqual([401, 'sign_in_failed']);
  });

  it('says that GitHub is away when it is', async () => {
    const journey = await travel(person());
    github.failWith = 502;
    expect(await codeOf(await arrive(journey))).toEqual([503, 'dependency_unavailable']);
  });
});
