/**
 * A process that is made to be killed: uses every port as fast as it can, 16 jobs at a time, and writes one line for each promise the store
 * has kept. Lines are written synchronously, after the answer and before anything else, so a line says: this was acknowledged.
 * Arguments: data directory, seed, a prefix for ids.
 */
import { writeSync } from 'node:fs';
import { setImmediate as nextTick } from 'node:timers/promises';
import { type JobKey, type NewJobEvent, priorities, toJobMessage } from '@inkwell/contracts';
import { type EmbeddedStore, openEmbeddedStore } from '../index.ts';
import { type Acknowledged, tenants } from './acknowledged.ts';
import { noLimits, sampleJob } from './sample-job.ts';
import { SeededRandom } from './seeded-random.ts';

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes the whole line before it returns; waits while the reader is behind and the pipe full. */
function say(line: Acknowledged): void {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

async function runJob(store: EmbeddedStore, random: SeededRandom, id: string): Promise<void> {
  const job = sampleJob(random.pick(tenants), id, { priority: random.pick(priorities) });
  const { key } = job;
  const claim = { tenant: job.tenant, key: id, requestHash: 'h', claimTtlMs: 60_000, retentionMs: 1e9, resourceId: id };
  await store.idempotencyStore.begin(claim);
  say({ what: 'claimed', key, resourceId: id });
  await Promise.all([
    store.jobStore.create(job, noLimits).then(() => say({ what: 'created', key })),
    store.resultStream
      .append(key, 0, 0, [{ type: 'job.queued', at: 1 }])
      .then(() => say({ what: 'appended', key, seq: 1 })),
  ]);
  await store.jobBus.publish(toJobMessage(job));
  say({ what: 'published', key });
  const response = { status: 202, headers: {}, body: id };
  await store.idempotencyStore.finish(job.tenant, id, response);
  say({ what: 'answered', key });
  if (random.next() < 0.2) return;
  await generate(store, random, key);
}

async function generate(store: EmbeddedStore, random: SeededRandom, key: JobKey): Promise<void> {
  const leased = await store.lease.acquire(key, 'worker', 60_000);
  if (leased === 'held') throw new Error(`nobody else can hold ${key}`);
  const { fence } = leased;
  say({ what: 'leased', key, fence });
  await store.jobStore.transition(key, ['queued'], 'in_progress', { attempts: 1 }, fence);
  say({ what: 'moved', key, state: 'in_progress' });
  let seq = 1;
  for (let rounds = random.between(0, 6); rounds > 0; rounds--) {
    const events = Array.from({ length: random.between(1, 4) }, (_, part) => deltaOf(key, seq + 1 + part));
    await store.resultStream.append(key, fence, seq, events);
    seq += events.length;
    say({ what: 'appended', key, seq });
  }
  if (random.next() < 0.2) return;
  const outcome = { state: 'completed', result: null, error: null, finishedAt: 2 } as const;
  await Promise.all([
    store.resultStream
      .append(key, fence, seq, [{ type: 'job.completed', at: 2, outcome }])
      .then(() => say({ what: 'appended', key, seq: seq + 1 })),
    store.jobStore
      .transition(key, ['in_progress'], 'completed', { finishedAt: 2 }, fence)
      .then(() => say({ what: 'moved', key, state: 'completed' })),
  ]);
  await deliveries.get(key)?.ack();
  if (deliveries.has(key)) say({ what: 'acked', key });
}

function deltaOf(key: JobKey, seq: number): NewJobEvent {
  const delta = `${key}#${seq}`;
  return { type: 'job.delta', at: 1, index: 0, delta, tokens: [seq], logprobs: null, finishReason: null };
}

const [directory, seed, prefix] = process.argv.slice(2) as [string, string, string];
const deliveries = new Map<JobKey, { ack(): Promise<void> }>();
const store = await openEmbeddedStore({ directory, clock: { now: () => Date.now() } });
await store.jobBus.consume({
  workerId: 'worker',
  onDelivery: (delivery) => deliveries.set(delivery.message.key, delivery),
  onTakenBack: () => undefined,
  onCancel: () => undefined,
  signal: new AbortController().signal,
});
const random = new SeededRandom(Number(seed));
let jobs = 0;
const lanes = Array.from({ length: 16 }, async () => {
  for (;;) {
    await runJob(store, random, `${prefix}-${jobs++}`);
    await nextTick();
  }
});
await Promise.all(lanes);
