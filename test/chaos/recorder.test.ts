/** The recorder of a cluster is killed again and again while jobs end: afterwards each is audited, counted and in the chain exactly once. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterProcess, killIfAlive, ownServers } from '../support/cluster-process.ts';
import { insist } from '../support/insist.ts';
import { seededRandom } from '../support/random.ts';

const cluster = new ClusterProcess({
  workers: 1,
  env: { ...ownServers, INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: '0' },
});
beforeAll(async () => {
  await cluster.start();
}, 180_000);
afterAll(() => cluster.dispose(), 60_000);

const kills = 5;
const jobsPerKill = 80;
const tokens = 3;

const text = async (path: string) => (await insist(() => cluster.request(path))).text();
const read = async <Body>(path: string) => JSON.parse(await text(path)) as Body;

/** Answers the job's id once it has ended. */
async function complete(): Promise<string> {
  const body = { model: 'inkwell-small', prompt: 'x', max_tokens: tokens, ignore_eos: true };
  const answer = await insist(() => cluster.request('/v1/completions', { body }));
  expect(answer.status, await answer.clone().text()).toBe(200);
  await answer.arrayBuffer();
  return answer.headers.get('x-inkwell-job-id')!;
}

async function used(): Promise<number[]> {
  const { total } = await read<{ total: { requests: number; completion_tokens: number } }>('/api/usage?bucket=day');
  return [total.requests, total.completion_tokens];
}

async function audited(): Promise<string[]> {
  return (await text('/api/admin/audit/export?action=job.created'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { resource: string }).resource);
}

it('counts every job once, whenever it is killed', { timeout: 300_000 }, async () => {
  const random = seededRandom('recorder-deaths');
  const ids: string[] = [];
  const round = async () => ids.push(...(await Promise.all(Array.from({ length: jobsPerKill }, complete))));
  await round();
  let killed = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Somewhere between the first fetch of these and the last of their writes.
    const dying = delay(random.below(1200)).then(() => {
      for (const { pid } of cluster.processes('recorder')) if (killIfAlive(pid)) killed++;
    });
    await Promise.all([round(), dying]);
  }
  expect(killed).toBeGreaterThan(0);
  const expected = [ids.length, ids.length * tokens];
  await expect.poll(used, { timeout: 120_000, interval: 250 }).toEqual(expected);
  const resources = ids.map((id) => `job/${id}`).sort();
  await expect.poll(async () => (await audited()).sort(), { timeout: 60_000, interval: 250 }).toEqual(resources);
  // What is told after all that shows that nothing of it is still on its way to be told again.
  resources.push(`job/${await complete()}`);
  await expect.poll(audited, { timeout: 60_000, interval: 250 }).toContain(resources.at(-1));
  expect((await audited()).sort()).toEqual(resources.sort());
  const total = [resources.length, resources.length * tokens];
  await expect.poll(used, { timeout: 60_000, interval: 250 }).toEqual(total);
  expect(await read('/api/admin/audit/verify')).toMatchObject({ valid: true, broken: null });
});
