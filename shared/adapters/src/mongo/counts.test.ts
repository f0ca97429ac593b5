/** The counts of the queue end exact, whoever dies in the middle of a change and whoever repairs at the same time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type JobKey, priorities } from '@inkwell/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMongo } from '../../../../infra/services/mongo.ts';
import type { RunningService } from '../../../../infra/services/running-service.ts';
import { noLimits, sampleJob } from '../embedded/testing/sample-job.ts';
import { connectMongo, type MongoConnection } from './connection.ts';
import { type MongoStore, openMongoStore } from './index.ts';
import { audit } from './testing/audit.ts';

const workload = new URL('./testing/workload.ts', import.meta.url).pathname;
const deadlineMs = 20_000;
let server: RunningService;

beforeAll(async () => {
  server = await startMongo();
});
afterAll(() => server?.stop());

interface Bench {
  database: string;
  stores: MongoStore[];
  connection: MongoConnection;
}

async function withStores(count: number, test: (bench: Bench) => Promise<void>): Promise<void> {
  const database = `test-${randomUUID()}`;
  const options = { url: server.url, database, deadlineMs };
  const connection = await connectMongo(options);
  const stores = await Promise.all(Array.from({ length: count }, () => openMongoStore(options)));
  try {
    await test({ database, stores, connection });
  } finally {
    for (const store of stores) await store.close();
    await connection.jobs.db.dropDatabase();
    await connection.close();
  }
}

async function expectExact({ jobs, ledger }: MongoConnection): Promise<void> {
  const { ledger: counted, jobs: recounted } = await audit({ jobs, ledger });
  expect(counted).toEqual(recounted);
}

/** Resolves with the keys of jobs whose creation was acknowledged before the process was killed. */
async function killAfter(child: ChildProcess, jobs: number): Promise<string[]> {
  const keys: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    if (keys.push(line) === jobs) child.kill('SIGKILL');
  }
  return keys;
}

it.each([1, 2, 3])(
  'are exact after repair when a process was killed in the middle of everything (seed %i)',
  async (seed) => {
    await withStores(1, async ({ database, stores: [store], connection }) => {
      const args = [workload, server.url, database, `${seed}`, `seed-${seed}`];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      const acknowledged = await killAfter(child, 40 + seed * 17);
      await ended;
      // What the dead process sent last may still be on its way, so one repair need not be enough.
      await expect
        .poll(
          async () => {
            await store!.repair(0);
            const { ledger, jobs } = await audit(connection);
            return JSON.stringify(ledger) === JSON.stringify(jobs) || { ledger, jobs };
          },
          { timeout: 20_000 },
        )
        .toBe(true);
      for (const key of acknowledged) expect(await store!.jobStore.get(key as JobKey), key).toBeDefined();
    });
  },
);

it('are exact while others repair all the time: no move is counted twice or lost', async () => {
  await withStores(4, async ({ stores, connection }) => {
    const [one, two, ...repairers] = stores;
    const working = { on: true };
    let repaired = 0;
    const repairing = repairers.map(async (store) => {
      while (working.on) repaired += await store.repair(-1);
    });
    const work = [one!, two!].map(async ({ jobStore }, side) => {
      for (let round = 0; round < 8; round++) {
        const jobs = priorities.map((priority) => sampleJob('tenant', `${side}-${round}-${priority}`, { priority }));
        await Promise.all(
          jobs.map(async (job) => {
            expect(await jobStore.create(job, noLimits)).toMatchObject({ outcome: 'created' });
            await jobStore.transition(job.key, ['queued'], 'in_progress', {}, 1);
            if (round % 2 === 0) await jobStore.transition(job.key, ['queued', 'in_progress'], 'completed', {}, 1);
          }),
        );
      }
    });
    try {
      await Promise.all(work);
    } finally {
      working.on = false;
      await Promise.all(repairing);
    }
    expect(repaired).toBeGreaterThan(0);
    for (const store of stores) await store.repair(-1);
    await expectExact(connection);
  });
});

it('leave room again when an arrival died before it was answered', async () => {
  await withStores(1, async ({ stores: [store], connection: { jobs, ledger } }) => {
    const limits = { maxQueued: 1, maxQueuedPerTenant: 1 };
    const lost = sampleJob('tenant', 'lost');
    await store!.jobStore.create(lost, limits);
    // As it was just before the job was admitted: counted, noted as open, not yet to be seen.
    const note = { epoch: 1, key: lost.key };
    await ledger.updateOne({ _id: 'ledger' }, { $set: { 'open.abc': note } });
    const move = { epoch: 1, from: null, to: 'queued' };
    await jobs.updateOne({ _id: lost.key }, { $set: { state: 'arriving', pending: 1, 'moves.abc': move } });
    expect(await store!.jobStore.get(lost.key)).toBeUndefined();
    const next = sampleJob('tenant', 'next');
    expect(await store!.jobStore.create(next, limits)).toMatchObject({ outcome: 'full', queued: 1 });
    expect(await store!.repair(-1)).toBe(1);
    expect(await store!.jobStore.create(next, limits)).toMatchObject({ outcome: 'created' });
    expect(await store!.jobStore.get(lost.key)).toBeUndefined();
  });
});

it('removes jobs that finished before the moment, and no others', async () => {
  await withStores(1, async ({ stores: [store] }) => {
    const jobs = [1, 2, 3].map((number) => sampleJob('tenant', `${number}`));
    for (const job of jobs) await store!.jobStore.create(job, noLimits);
    for (const [index, { key }] of jobs.slice(0, 2).entries()) {
      await store!.jobStore.transition(key, ['queued'], 'cancelled', { finishedAt: 10 * (index + 1) }, 1);
    }
    await store!.repair(-1);
    expect(await store!.prune(20)).toBe(1);
    const { records } = await store!.jobStore.list({ tenant: 'tenant' }, { limit: 10 });
    expect(records.map(({ id }) => id).sort()).toEqual(['2', '3']);
  });
});
