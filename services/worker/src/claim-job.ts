/**
 * Takes a delivered job into our hands: lease, story so far, deadline, then the started event. What is not to run has its delivery settled
 * here. Safe to repeat after a death at any point.
 */
import {
  InkwellError,
  isTerminal,
  isTerminalEvent,
  type JobEvent,
  type JobKey,
  type JobRecord,
} from '@inkwell/contracts';
import type { WorkerContext } from './context.ts';
import { fetchRecord, settleUnknown } from './find-jobs.ts';
import { finishJob, recordOutcome, settleEnded } from './finish-job.ts';
import type { JobRun } from './job-run.ts';
import { persist } from './persist.ts';
import type { StoryWriter } from './story-writer.ts';

const pageSize = 1000;
/** How soon a job is looked at again whose lease somebody still holds: after a crash it is nobody's until the lease runs out. */
const longestHeldRetryMs = 1000;

async function readStory(context: WorkerContext, key: JobKey): Promise<JobEvent[]> {
  const story: JobEvent[] = [];
  for (;;) {
    const afterSeq = story.at(-1)?.seq ?? 0;
    const page = await persist(context, 'read', () => context.ports.resultStream.read(key, afterSeq, pageSize));
    for (const event of page) story.push(event);
    if (page.length < pageSize) return story;
  }
}

/** Attempts since the last text. */
function fruitlessAttempts(story: readonly JobEvent[]): number {
  const lastDelta = story.findLastIndex((event) => event.type === 'job.delta');
  return story.slice(lastDelta + 1).filter((event) => event.type === 'job.started').length;
}

/** Takes over what earlier attempts have written. */
function adopt(run: JobRun, story: readonly JobEvent[]): void {
  run.seq = story.at(-1)?.seq ?? 0;
  for (const event of story) {
    if (event.type !== 'job.delta') continue;
    run.story.push(event);
    const tokens = run.tokens[event.index];
    if (tokens !== undefined) for (const token of event.tokens) tokens.push(token);
    if (event.finishReason !== null) run.endedChoices++;
  }
}

/** Whether the deadline has passed. */
export function isLate(run: JobRun, now: number): boolean {
  return run.record.deadlineAt !== null && run.record.deadlineAt <= now;
}

/** `start`: ours, and `writeStart` comes next. `started`: ours, and that is on record already. `settled`: nothing more is to be done. */
export type Claim = 'start' | 'started' | 'settled';

export async function claimJob(context: WorkerContext, writer: StoryWriter, run: JobRun): Promise<Claim> {
  const claim = run.hasRecord || messageIsLate(context, run) ? await take(context, run) : await begin(context, run);
  if (claim !== 'taken') return claim;
  const story = await readStory(context, run.key);
  adopt(run, story);
  const last = story.at(-1);
  if (last !== undefined && isTerminalEvent(last)) {
    await recordOutcome(context, run, last.outcome);
    return 'settled';
  }
  if (isLate(run, context.clock.now())) {
    await finishJob(context, writer, run, { state: 'expired', error: new InkwellError('deadline_exceeded').toBody() });
    return 'settled';
  }
  if (fruitlessAttempts(story) >= context.limits.maxFruitlessAttempts) {
    const deadLetterReason = `${context.limits.maxFruitlessAttempts} attempts in a row ended without progress`;
    await giveUp(context, writer, run, deadLetterReason);
    return 'settled';
  }
  return 'start';
}

/** In one step, which also starts a job of which nothing has been told yet. */
async function begin(context: WorkerContext, run: JobRun): Promise<'taken' | 'started' | 'settled'> {
  const { ports, limits, workerId, clock, metrics } = context;
  const start = { at: clock.now(), worker: workerId };
  const begun = await persist(context, 'begin', () =>
    ports.jobSteps.begin(run.key, workerId, limits.leaseTtlMs, start),
  );
  switch (begun.outcome) {
    case 'unknown':
      await settleUnknown(context, run.delivery);
      return 'settled';
    case 'held':
      return comeBack(context, run);
    case 'ended':
      return settleOver(context, run, begun.record);
    case 'taken':
      run.leased(begun.fence);
      run.record = begun.record;
      if (!begun.started) return 'taken';
      run.seq = 2;
      metrics.queueTime.observe((start.at - run.record.createdAt) / 1000);
      return 'started';
  }
}

/** The lease alone, then what is to be known under it. */
async function take(context: WorkerContext, run: JobRun): Promise<'taken' | 'settled'> {
  const { ports, limits, workerId } = context;
  if (!run.hasRecord) {
    const record = await fetchRecord(context, run.delivery);
    if (record === undefined) return 'settled';
    run.record = record;
  }
  if (isTerminal(run.record.state)) return settleOver(context, run, run.record);
  const taken = await persist(context, 'acquire', () => ports.lease.acquire(run.key, workerId, limits.leaseTtlMs));
  if (taken === 'held') return comeBack(context, run);
  run.leased(taken.fence);
  run.record = (await persist(context, 'get', () => ports.jobStore.get(run.key))) ?? run.record;
  return 'taken';
}

async function comeBack(context: WorkerContext, run: JobRun): Promise<'settled'> {
  const delayMs = Math.min(longestHeldRetryMs, context.limits.leaseTtlMs);
  await persist(context, 'retry', () => run.delivery.retry('the lease is held', delayMs));
  return 'settled';
}

async function settleOver(context: WorkerContext, run: JobRun, record: JobRecord): Promise<'settled'> {
  await settleEnded(context, record, run.delivery, deadLetterReasonOf(record));
  return 'settled';
}

function messageIsLate({ clock }: WorkerContext, { delivery }: JobRun): boolean {
  const { deadlineAt } = delivery.message;
  return deadlineAt !== null && deadlineAt <= clock.now();
}

/** A job fails only by being given up; who gave it up may have died before its message was among the dead letters. */
export function deadLetterReasonOf({ state, error }: JobRecord): string | undefined {
  return state === 'failed' ? (error?.message ?? 'The job failed.') : undefined;
}

/** Ends the job as failed and moves its message to the dead letters. */
export async function giveUp(context: WorkerContext, writer: StoryWriter, run: JobRun, reason: string): Promise<void> {
  context.log.error({ job: run.key, reason }, 'job given up');
  const error = new InkwellError('generation_failed').toBody();
  await finishJob(context, writer, run, { state: 'failed', error, deadLetterReason: reason });
}

/**
 * Records that the job runs. The engine may compute meanwhile, since nothing of it is written before the start is.
 * @returns `lost` when another writer came first
 */
export async function writeStart(
  context: WorkerContext,
  writer: StoryWriter,
  run: JobRun,
): Promise<'ok' | 'lost' | 'stopped'> {
  const { ports, metrics, workerId } = context;
  const now = context.clock.now();
  if (run.record.startedAt === null) metrics.queueTime.observe((now - run.record.createdAt) / 1000);
  const patch = { attempts: run.record.attempts + 1, startedAt: run.record.startedAt ?? now };
  run.record = { ...run.record, ...patch, state: 'in_progress' };
  const [moved, written] = await Promise.all([
    persist(context, 'transition', () =>
      ports.jobStore.transition(run.key, ['queued', 'in_progress'], 'in_progress', patch, run.fence),
    ),
    writer.write(run, () => [{ type: 'job.started', at: now, attempt: patch.attempts, worker: workerId }]),
  ]);
  if (written === 'stopped') return 'stopped';
  return moved === 'conflict' || written === 'stale' ? 'lost' : 'ok';
}
