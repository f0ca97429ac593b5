/** Writes to many stories as workers would: each event is an append with its fence. Told what to do over the channel to its parent. */
import { openRedisStore } from '@inkwell/adapters/redis';
import { type JobKey, jobKey, type NewJob, type NewJobEvent, neutralSampling } from '@inkwell/contracts';
import { atRate } from './pace.ts';

const { REDIS_URL = '', NAMESPACE = '' } = process.env;
const store = await openRedisStore({ url: REDIS_URL, prefix: `${NAMESPACE}:`, retentionMs: 86_400_000 });
const limits = { maxQueued: 1_000_000, maxQueuedPerTenant: 1_000_000 };

interface Story {
  key: JobKey;
  fence: number;
  seq: number;
}
let stories: Story[] = [];

function newJob(id: string): NewJob {
  const now = Date.now();
  return {
    key: jobKey('default', id),
    tenant: 'default',
    id,
    state: 'queued',
    priority: 'standard',
    spec: {
      model: 'none',
      prompts: [[1]],
      maxTokens: 1,
      n: 1,
      bestOf: 1,
      sampling: neutralSampling,
      stop: [],
      logprobs: null,
      echo: false,
      ignoreEos: true,
    },
    metadata: {},
    costTokens: 1,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    deadlineAt: null,
    onDisconnect: 'continue',
    attempts: 0,
    requestHash: id,
    createdBy: 'bench',
    requestId: id,
    result: null,
    error: null,
  };
}

async function create(count: number): Promise<void> {
  stories = [];
  for (let from = 0; from < count; from += 500)
    stories.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(500, count - from) }, async (_, index) => {
          const job = newJob(`s${from + index}`);
          await store.jobStore.create(job, limits);
          await store.resultStream.append(job.key, 0, 0, [{ type: 'job.queued', at: job.createdAt }]);
          const taken = await store.lease.acquire(job.key, 'bench', 3_600_000);
          if (taken === 'held') throw new Error('held');
          return { key: job.key, fence: taken.fence, seq: 1 };
        }),
      )),
    );
}

/** `rate` events per second in all, one story after the other. Each says when it was due, so that being late counts as lag. */
async function write(rate: number, seconds: number): Promise<{ sent: number; failed: number }> {
  const all = Promise.withResolvers<void>();
  let open = 0;
  let failed = 0;
  let over = false;
  const settle = (result?: 'ok' | 'stale') => {
    open--;
    if (result !== 'ok') failed++;
    if (over && open === 0) all.resolve();
  };
  const onFailure = () => settle();
  const sent = await atRate(rate, seconds, (index, at) => {
    const story = stories[index % stories.length]!;
    const event: NewJobEvent = {
      type: 'job.delta',
      at,
      index: 0,
      delta: ' the',
      tokens: [262],
      logprobs: null,
      finishReason: null,
    };
    open++;
    store.resultStream.append(story.key, story.fence, story.seq, [event]).then(settle, onFailure);
    story.seq++;
  });
  over = true;
  if (open === 0) all.resolve();
  await all.promise;
  return { sent, failed };
}

process.on('message', (message: { command: string; streams: number; rate: number; seconds: number }) => {
  const work = message.command === 'create' ? create(message.streams) : write(message.rate, message.seconds);
  work.then(
    (result) => process.send?.(result ?? {}),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
