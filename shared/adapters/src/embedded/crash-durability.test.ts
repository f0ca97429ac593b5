/**
 * kill -9 at random moments, again and again on one directory: whatever was acknowledged is there afterwards, and what must move together
 * has moved together. The seed is printed; it fixes the workload and the kill points (in acknowledged operations), not the scheduling.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isTerminalEvent, type JobKey, type JobRecord, priorities } from '@inkwell/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { type Acknowledged, tenants } from './testing/acknowledged.ts';
import { allJobs, recount } from './testing/recount.ts';
import { noLimits, sampleJob } from './testing/sample-job.ts';
import { SeededRandom } from './testing/seeded-random.ts';

const rounds = 12;
const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
const workload = new URL('./testing/crash-workload.ts', import.meta.url).pathname;
const random = new SeededRandom(seed);
/** Of all rounds. */
const acknowledged: Acknowledged[] = [];
let directory = '';

beforeAll(async () => {
  console.log(`crash durability: INKWELL_TEST_SEED=${seed}`);
  directory = await mkdtemp(join(tmpdir(), 'inkwell-crash-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it.each(Array.from({ length: rounds }, (_, round) => round + 1))(
  'kill -9, round %i: nothing acknowledged is lost and everything agrees',
  async (round) => {
    // One in three dies soon after it opened the store that the last one left behind.
    const killAfter = round % 3 === 0 ? random.between(1, 20) : random.between(200, 2000);
    const lines = await runAndKill(`r${round}`, killAfter);
    acknowledged.push(...lines);
    const store = await openEmbeddedStore({ directory, clock: { now: () => Date.now() } });
    try {
      await expectEverythingAcknowledged(store);
      await expectClaimsAndFences(store, lines);
      await expectConsistency(store);
    } finally {
      await store.close();
    }
  },
);

/** Starts the workload, kills it once it has acknowledged so much, and answers all it had said by then. */
async function runAndKill(prefix: string, killAfter: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [workload, directory, String(random.between(0, 2 ** 31)), prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may have been cut short by the kill: then its operation counts as not acknowledged.
    if (line.endsWith('}')) lines.push(JSON.parse(line));
    if (lines.length === killAfter) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  expect(lines.length).toBeGreaterThanOrEqual(killAfter);
  return lines;
}

async function expectEverythingAcknowledged(store: EmbeddedStore): Promise<void> {
  const rank = { queued: 0, in_progress: 1, completed: 2, failed: 2, cancelled: 2, expired: 2, incomplete: 2 };
  const delivered = await deliveredKeys(store);
  const acked = new Set(acknowledged.filter(({ what }) => what === 'acked').map(({ key }) => key));
  for (const line of acknowledged) {
    const record = await store.jobStore.get(line.key);
    if (line.what === 'created') expect(record, `${line.key} was created`).toBeDefined();
    if (line.what === 'moved') expect(rank[record!.state]).toBeGreaterThanOrEqual(rank[line.state]);
    if (line.what === 'appended')
      expect((await store.resultStream.last(line.key))?.seq).toBeGreaterThanOrEqual(line.seq);
    // The acknowledgement of a finished job may have been on its way when the process died.
    if (line.what === 'published' && record?.state !== 'completed') expect(delivered).toContain(line.key);
  }
  for (const key of acked) expect(delivered, `${key} was acknowledged`).not.toContain(key);
}

/** Of the last round alone: asking again changes both. */
async function expectClaimsAndFences(store: EmbeddedStore, lines: readonly Acknowledged[]): Promise<void> {
  const answered = new Set(lines.filter(({ what }) => what === 'answered').map(({ key }) => key));
  for (const line of lines) {
    if (line.what === 'leased') {
      const again = await store.lease.acquire(line.key, 'successor', 0);
      expect(again).toEqual({ fence: line.fence + 1 });
    }
    if (line.what === 'claimed') {
      const [tenant, id] = line.key.split(':') as [string, string];
      const claim = { tenant, key: id, requestHash: 'h', claimTtlMs: 1, retentionMs: 1e9, resourceId: 'another' };
      const answer = await store.idempotencyStore.begin(claim);
      expect(answer).toMatchObject({ resourceId: line.resourceId });
      if (answered.has(line.key)) expect(answer).toMatchObject({ outcome: 'replay', response: { body: id } });
      else expect(['begin', 'replay']).toContain(answer.outcome);
    }
  }
}

async function expectConsistency(store: EmbeddedStore): Promise<void> {
  const jobs: JobRecord[] = [];
  for (const tenant of tenants) {
    const own = await allJobs(store.jobStore, tenant);
    const queued = own.filter(({ state }) => state === 'queued').length;
    const refused = await store.jobStore.create(sampleJob(tenant, 'one-too-many'), {
      ...noLimits,
      maxQueuedPerTenant: 0,
    });
    expect(refused).toEqual({ outcome: 'full', scope: 'tenant', queued });
    jobs.push(...own);
  }
  expect(await store.jobStore.counts()).toEqual(recount(jobs));
  for (const priority of priorities) {
    const ordinals = jobs.filter((job) => job.priority === priority).map(({ ordinal }) => ordinal);
    expect(ordinals.sort((left, right) => left - right)).toEqual(ordinals.map((_, index) => index + 1));
  }
  for (const job of jobs) await expectWholeStory(store, job);
}

async function expectWholeStory(store: EmbeddedStore, { key, state }: JobRecord): Promise<void> {
  const events = await store.resultStream.read(key, 0, 1000);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  for (const event of events) if (event.type === 'job.delta') expect(event.delta).toBe(`${key}#${event.seq}`);
  // Written in one tick, so in one commit: job and first event; last event and final state.
  expect(events.length).toBeGreaterThan(0);
  expect(events.findIndex(isTerminalEvent)).toBe(state === 'completed' ? events.length - 1 : -1);
}

async function deliveredKeys(store: EmbeddedStore): Promise<Set<JobKey>> {
  const keys = new Set<JobKey>();
  await store.jobBus.consume({
    workerId: 'witness',
    onDelivery: ({ message }) => keys.add(message.key),
    onTakenBack: () => undefined,
    onCancel: () => undefined,
    signal: new AbortController().signal,
  });
  return keys;
}
