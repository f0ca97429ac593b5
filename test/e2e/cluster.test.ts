/** What only a cluster does: it says what runs, grows and shrinks without losing a job, lets a newcomer work at once, and stops whole. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterProcess, ownServers, type Role } from '../support/cluster-process.ts';
import { insist } from '../support/insist.ts';

const cluster = new ClusterProcess({
  workers: 1,
  env: { ...ownServers, INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: '10' },
});
beforeAll(async () => {
  await cluster.start();
}, 180_000);
afterAll(() => cluster.dispose(), 60_000);

interface WorkerBody {
  id: string;
  status: string;
  running_jobs: number;
}

const workers = async () =>
  ((await (await cluster.request('/api/admin/workers')).json()) as { data: WorkerBody[] }).data;

let submitted = 0;

async function submit(count: number, maxTokens: number): Promise<string[]> {
  const body = { model: 'inkwell-small', prompt: 'x', max_tokens: maxTokens, ignore_eos: true };
  const answers = await Promise.all(
    Array.from({ length: count }, () => insist(() => cluster.request('/v1/jobs', { body }))),
  );
  return Promise.all(
    answers.map(async (answer) => {
      expect(answer.status).toBe(202);
      submitted++;
      return ((await answer.json()) as { id: string }).id;
    }),
  );
}

async function statusOf(id: string): Promise<string> {
  for (;;) {
    const { status } = (await (await cluster.request(`/v1/jobs/${id}?wait=30`)).json()) as { status: string };
    if (status !== 'queued' && status !== 'in_progress') return status;
  }
}

async function stateOf(id: string): Promise<string> {
  return ((await (await cluster.request(`/v1/jobs/${id}`)).json()) as { status: string }).status;
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

it('writes down what runs, servers included', () => {
  const roles = cluster.processes().map(({ role }) => role);
  const expected: Role[] = ['supervisor', 'kafka', 'redis', 'mongo', 'gateway', 'gateway', 'worker', 'recorder'];
  expect([...roles].sort()).toEqual([...expected].sort());
  for (const { pid } of cluster.processes()) expect(alive(pid)).toBe(true);
  expect(cluster.gateways).toHaveLength(2);
});

it('refuses a second cluster on the same data directory', async () => {
  const second = new ClusterProcess({ env: { ...ownServers, INKWELL_DATA_DIR: cluster.dataDir } });
  await expect(second.start()).rejects.toThrow(/already/);
  await second.dispose();
  expect((await cluster.request('/api/health/ping')).status).toBe(200);
});

/** A gauge or counter of a worker, from its own metrics page. */
async function metricOf(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

it('runs a long job once, in one go, while others pass it by', { timeout: 120_000 }, async () => {
  const [worker] = cluster.processes('worker');
  const url = worker?.url ?? '';
  const before = await metricOf(url, 'inkwell_bus_rebalances');
  expect(before).toBeGreaterThan(0);
  // Many times longer than a member of the group may be silent.
  const [long = ''] = await submit(1, 500);
  const short = [];
  while (short.length < 300 && (await stateOf(long)) !== 'completed') short.push(...(await submit(10, 1)));
  expect(await statusOf(long)).toBe('completed');
  expect(await Promise.all(short.map(statusOf))).toEqual(short.map(() => 'completed'));
  expect(await metricOf(url, 'inkwell_bus_rebalances')).toBe(before);
  const events = await (await cluster.request(`/v1/jobs/${long}/events`)).text();
  expect(events.match(/^event: job\.started$/gm)).toHaveLength(1);
});

it('gives a newcomer work from the backlog, and shows it', { timeout: 120_000 }, async () => {
  // Half a minute of work for one: still there when a newcomer has started, however slow the machine.
  const ids = await submit(400, 250);
  const [first] = await workers();
  const answer = JSON.parse(cluster.say('scale', 'workers=2', '--json').trim().split('\n').at(-1) ?? '');
  expect(answer).toEqual({ gateways: 2, workers: 2 });
  let newcomer: WorkerBody | undefined;
  while (newcomer === undefined || newcomer.running_jobs === 0)
    newcomer = (await workers()).find(({ id }) => id !== first?.id);
  expect(newcomer.running_jobs).toBeGreaterThan(0);
  const text = cluster.say('status');
  expect(text).toContain(newcomer.id);
  expect(text).toMatch(/ROLE +PID/);
  expect(await Promise.all(ids.map(statusOf))).toEqual(ids.map(() => 'completed'));
});

it('drains a worker: it finishes what it runs, takes nothing new, and everything is done', {
  timeout: 120_000,
}, async () => {
  const ids = await submit(200, 300);
  while ((await workers()).some(({ running_jobs }) => running_jobs === 0));
  const [one] = await workers();
  cluster.say('drain', `worker=${one?.id}`);
  const more = await submit(50, 5);
  expect(await Promise.all([...ids, ...more].map(statusOf))).toEqual([...ids, ...more].map(() => 'completed'));
  // It says so with its next sign of life.
  let after: WorkerBody | undefined;
  while (after?.status !== 'drained') after = (await workers()).find(({ id }) => id === one?.id);
  expect(after.running_jobs).toBe(0);
});

it('shrinks while jobs run: none is lost, the process is gone', { timeout: 120_000 }, async () => {
  const before = cluster.processes('worker').map(({ pid }) => pid);
  const ids = await submit(150, 100);
  cluster.say('scale', 'workers=1');
  const after = cluster.processes('worker').map(({ pid }) => pid);
  expect(after).toHaveLength(1);
  for (const pid of before) expect(alive(pid)).toBe(after.includes(pid));
  // The one that stays may be the drained one.
  for (const { id } of await workers()) await cluster.request(`/api/admin/workers/${id}/resume`, { method: 'POST' });
  expect(await Promise.all(ids.map(statusOf))).toEqual(ids.map(() => 'completed'));
});

it('counts every job that ended once, behind the answers', { timeout: 60_000 }, async () => {
  const used = async () => {
    const { total } = (await (await cluster.request('/api/usage?bucket=day')).json()) as {
      total: { requests: number };
    };
    return total.requests;
  };
  while ((await used()) < submitted);
  expect(await used()).toBe(submitted);
  const verified = (await (await cluster.request('/api/admin/audit/verify')).json()) as object;
  expect(verified).toMatchObject({ valid: true });
});

it('says what cannot be: an unknown worker, a size that makes no sense', () => {
  expect(() => cluster.say('drain', 'worker=nobody')).toThrow(/No worker with this id/);
  expect(() => cluster.say('scale', 'workers=1000')).toThrow(/whole number/);
});

it('stops whole: every process ends, the file is gone, and the port is free', { timeout: 60_000 }, async () => {
  const pids = cluster.processes().map(({ pid }) => pid);
  expect(await cluster.stop()).toBe(0);
  for (const pid of pids) expect(alive(pid)).toBe(false);
  expect(existsSync(join(cluster.dataDir, 'cluster.json'))).toBe(false);
});
