/**
 * How long a refused sign-in takes tells nobody whether the account exists. Samples are taken in turn, each round another one first, so a busy
 * machine is busy for all alike; they are compared by ranks. The bound is five standard deviations: by chance it is met once in a million runs,
 * and a check that skips the password's hash is beyond it by far, which the last comparison shows.
 */
import { newUser } from '@inkwell/identity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerPerson } from '../../testing/people.ts';
import { shareLarger, spreadOfShare } from '../../testing/rank-test.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  // Every try comes from an address of its own, so none has to wait.
  rig = await startRig({ config: { trustedProxies: ['127.0.0.1'] } });
});
afterAll(() => rig.close());

const rounds = 60;
let tries = 0;

async function timeOf(body: object, status: number): Promise<number> {
  tries += 1;
  const headers = { 'x-forwarded-for': `10.1.${Math.floor(tries / 250)}.${1 + (tries % 250)}` };
  const start = performance.now();
  const response = await rig.request('/api/auth/login', { key: null, body, headers });
  await response.text();
  const tookMs = performance.now() - start;
  expect(response.status).toBe(status);
  return tookMs;
}

it('takes as long for a name nobody has, for a disabled account and for one without a password as for a wrong password', async () => {
  await registerPerson(rig, 'known');
  await rig.ports.userStore.create(newUser({ username: 'disabled', disabledAt: 1, passwordHash: 'x' }, 1));
  await rig.ports.userStore.create(newUser({ username: 'no-password', githubId: '1' }, 1));
  const password = 'not the right one';
  const samples = {
    known: [] as number[],
    disabled: [] as number[],
    'no-password': [] as number[],
    unknown: [] as number[],
    /** Refused before any hash is computed. */
    hasty: [] as number[],
  };
  const names = Object.keys(samples) as (keyof typeof samples)[];
  for (let round = -3; round < rounds; round++) {
    const turn = (round + names.length) % names.length;
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const took = name === 'hasty' ? timeOf({ password }, 400) : timeOf({ username: name, password }, 401);
      // The first rounds warm everything up.
      if (round >= 0) samples[name].push(await took);
      else await took;
    }
  }
  const share = (name: keyof typeof samples) => shareLarger(samples[name], samples.known);
  console.log(names.map((name) => `${name}: ${share(name).toFixed(3)}`).join(', '));
  const bound = 5 * spreadOfShare(rounds);
  for (const name of ['unknown', 'disabled', 'no-password'] as const) {
    expect(Math.abs(share(name) - 0.5), name).toBeLessThan(bound);
  }
  expect(Math.abs(share('hasty') - 0.5)).toBeGreaterThan(bound);
});
