/** Revoking on one gateway is effective on the other in 250 ms, and ends open streams there within a second; also when nobody announces it. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bearer, registerPerson, signIn, withToken } from '../testing/people.ts';
import { type Rig, startRig } from '../testing/rig.ts';

const effectiveMs = 250;
const streamMs = 1_000;

interface Pair {
  rig: Rig;
  otherUrl: string;
}

async function pair(options?: Parameters<typeof startRig>[0]): Promise<Pair> {
  const rig = await startRig(options);
  const { url } = await rig.addGateway();
  return { rig, otherUrl: url };
}

/** Asks until it is refused; answers how long that took. */
async function untilRefused(url: string, headers: Record<string, string>): Promise<number> {
  const start = performance.now();
  for (;;) {
    const { status } = await fetch(`${url}/v1/models`, { headers });
    if (status === 401) return performance.now() - start;
    if (performance.now() - start > 30_000) throw new Error('never refused');
    await wait(5);
  }
}

/** An open stream of a job that never ends. */
async function openStream(url: string, headers: Record<string, string>) {
  const made = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'test-model', prompt: 'x' }),
  });
  expect(made.status).toBe(202);
  const { id } = (await made.json()) as { id: string };
  const response = await fetch(`${url}/v1/jobs/${id}/events`, { headers });
  const reader = response.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('retry:');
  return {
    /** How long after `start` it ended. */
    async ended(start: number): Promise<number> {
      for (;;) {
        const { done } = await reader.read().catch(() => ({ done: true }));
        if (done) return performance.now() - start;
      }
    },
  };
}

/** Revokes, and checks both promises on the other gateway. */
async function expectRevoked({ otherUrl }: Pair, headers: Record<string, string>, revoke: () => Promise<Response>) {
  expect((await fetch(`${otherUrl}/v1/models`, { headers })).status).toBe(200);
  const stream = await openStream(otherUrl, headers);
  expect([200, 204]).toContain((await revoke()).status);
  const start = performance.now();
  const [refusedMs, endedMs] = await Promise.all([untilRefused(otherUrl, headers), stream.ended(start)]);
  expect(refusedMs).toBeLessThan(effectiveMs);
  expect(endedMs).toBeLessThan(streamMs);
}

describe('with announcements', () => {
  let two: Pair;
  beforeAll(async () => {
    two = await pair();
  });
  afterAll(() => two.rig.close());

  it('of a key', async () => {
    const { rig } = two;
    const made = await rig.request('/api/keys', { body: { name: 'doomed', tenant: 'bob' } });
    const { id, key } = (await made.json()) as { id: string; key: string };
    await expectRevoked(two, { 'x-api-key': key }, () => rig.request(`/api/keys/${id}`, { method: 'DELETE' }));
  });

  it('of a sign-in', async () => {
    const { rig } = two;
    await registerPerson(rig, 'one');
    const { access_token } = await signIn(rig, 'one');
    await expectRevoked(two, bearer(access_token), () =>
      withToken(rig, access_token, '/api/auth/logout', { method: 'POST' }),
    );
  });

  it('of a family whose old refresh token came back', async () => {
    const { rig } = two;
    const { access_token, refresh_token } = await signIn(rig, 'one');
    const refresh = () => rig.request('/api/auth/refresh', { key: null, body: { refresh_token } });
    await refresh();
    await expectRevoked(two, bearer(access_token), async () => {
      expect((await refresh()).status).toBe(401);
      return new Response(null, { status: 204 });
    });
  });

  it('of a person, with their tokens and keys', async () => {
    const { rig } = two;
    const { id } = await registerPerson(rig, 'two');
    const { access_token } = await signIn(rig, 'two');
    const made = await withToken(rig, access_token, '/api/keys', { body: { name: 'mine' } });
    const { key } = (await made.json()) as { key: string };
    const ofKey = await openStream(two.otherUrl, { 'x-api-key': key });
    const disable = () => rig.request(`/api/admin/users/${id}`, { method: 'PATCH', body: { disabled: true } });
    await expectRevoked(two, bearer(access_token), disable);
    expect(await ofKey.ended(performance.now())).toBeLessThan(streamMs);
    expect(await untilRefused(two.otherUrl, { 'x-api-key': key })).toBeLessThan(effectiveMs);
  });

  it('leaves everybody else alone', async () => {
    const { rig } = two;
    const stream = await openStream(two.otherUrl, { 'x-api-key': rig.key });
    const made = await rig.request('/api/keys', { body: { name: 'doomed', tenant: 'alice' } });
    const { id } = (await made.json()) as { id: string };
    await rig.request(`/api/keys/${id}`, { method: 'DELETE' });
    const ended = await Promise.race([stream.ended(performance.now()), wait(500, 'open')]);
    expect(ended).toBe('open');
  });
});

describe('when announcements are lost', () => {
  it('takes about the second between two readings of the store', async () => {
    const two = await pair({
      wrapPorts: (ports) => ({
        ...ports,
        announcements: { ...ports.announcements, announce: () => Promise.reject(new Error('the channel is down')) },
      }),
    });
    try {
      const { rig } = two;
      const made = await rig.request('/api/keys', { body: { name: 'doomed', tenant: 'bob' } });
      const { id, key } = (await made.json()) as { id: string; key: string };
      const headers = { 'x-api-key': key };
      const stream = await openStream(two.otherUrl, headers);
      expect((await rig.request(`/api/keys/${id}`, { method: 'DELETE' })).status).toBe(204);
      const start = performance.now();
      expect(await untilRefused(two.otherUrl, headers)).toBeLessThan(3_000);
      expect(await stream.ended(start)).toBeLessThan(3_000);
    } finally {
      await two.rig.close();
    }
  });
});
