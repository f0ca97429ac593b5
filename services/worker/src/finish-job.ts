/**
 * How a job leaves this worker. The order is always: terminal event appended, reservation settled, record moved (all in one step where
 * nothing is reserved), its end published as a fact, delivery settled; each step may be repeated, so a death between any two is repaired by the redelivery. Whoever finds the story taken over by
 * another writer writes nothing more.
 */
import {
  type ErrorBody,
  foldEvents,
  isTerminal,
  type JobKey,
  type JobOutcome,
  type JobRecord,
  type NewJobEvent,
  type TerminalState,
  type Usage,
} from '@inkwell/contracts';
import { settleJob } from '@inkwell/limits';
import type { Delivery } from '@inkwell/ports';
import type { WorkerContext } from './context.ts';
import { endFacts } from './end-facts.ts';
import type { JobRun, WriteResult } from './job-run.ts';
import { persist } from './persist.ts';
import { type StoryWriter, takePending } from './story-writer.ts';

/** Nobody waits for the fact of an end: it shares its write with others. */
const mayWaitMs = 200;

export interface Ending {
  /** A job that completes although a filter ended one of its texts is `incomplete`. */
  state: Exclude<TerminalState, 'cancelled'>;
  error: ErrorBody | null;
  /** Counted by the engine; left out, the tokens in the story are. */
  usage?: Usage;
  /** Set when the job is given up: its message goes to the dead letters. */
  deadLetterReason?: string;
}

function outcomeOf(run: JobRun, ending: Ending, finishedAt: number): JobOutcome {
  const { result, produced } = foldEvents(run.record.spec, run.story);
  const whole = ending.usage === undefined ? result : { ...result, usage: ending.usage };
  const filtered = result.choices.some((choice) => choice.finish_reason === 'content_filter');
  const state = ending.state === 'completed' && filtered ? 'incomplete' : ending.state;
  return { state, result: produced ? whole : null, error: ending.error, finishedAt };
}

/** Writes the end of a job that is ours and settles its delivery. */
export async function finishJob(
  context: WorkerContext,
  writer: StoryWriter,
  run: JobRun,
  ending: Ending,
): Promise<void> {
  run.phase = 'ending';
  let outcome: JobOutcome | undefined;
  const build = () => {
    const finishedAt = context.clock.now();
    const events: NewJobEvent[] = takePending(run, finishedAt, true);
    outcome = outcomeOf(run, ending, finishedAt);
    events.push({ type: `job.${outcome.state}`, at: finishedAt, outcome });
    return events;
  };
  const inOneStep = takesOneStep(run, ending);
  const written = await writer.write(
    run,
    build,
    inOneStep ? (events) => finishInOneStep(context, run, events, outcome!) : undefined,
  );
  if (written === 'stopped' || outcome === undefined) return;
  if (written === 'stale') return settleUnowned(context, run.delivery, 'the story has another writer');
  observeEnd(context, run, outcome);
  if (inOneStep) {
    // A lease that was kept is renewed until the end is told.
    if (!run.handed) run.phase = 'over';
    return settleEnded(context, { ...run.record, ...outcome }, run.delivery);
  }
  if (ending.deadLetterReason !== undefined) context.metrics.deadLetters.inc();
  await recordOutcome(context, run, outcome, ending.deadLetterReason);
}

/** What is reserved is settled between story and record, and a dead letter's end must not look like another writer's if it is tried again. */
function takesOneStep({ record }: JobRun, { deadLetterReason }: Ending): boolean {
  return record.state === 'in_progress' && record.reservedTokens === undefined && deadLetterReason === undefined;
}

/** A try whose answer was lost makes the next one stale; then the record is found ended, by us, and settled like another writer's. */
async function finishInOneStep(
  context: WorkerContext,
  run: JobRun,
  events: readonly NewJobEvent[],
  { state, result, error, finishedAt }: JobOutcome,
): Promise<WriteResult> {
  const { fence, seq: afterSeq } = run;
  const patch = { result, error, finishedAt };
  try {
    return await persist(context, 'finish', () =>
      context.ports.jobSteps.finish(run.key, { fence, afterSeq, events, state, patch, keepsLease: run.handed }),
    );
  } catch {
    return 'stopped';
  }
}

/** Moves the record to how the story ended, then settles the delivery and gives the lease back. */
export async function recordOutcome(
  context: WorkerContext,
  run: JobRun,
  outcome: JobOutcome,
  deadLetterReason?: string,
): Promise<void> {
  const { jobStore, lease, rateLimiter } = context.ports;
  const { state, result, error, finishedAt } = outcome;
  // First, so that whoever finds the record ended may rely on it.
  await persist(context, 'settle', () => settleJob(rateLimiter, run.record, { result }));
  const moved = await persist(context, 'transition', () =>
    jobStore.transition(run.key, ['queued', 'in_progress'], state, { result, error, finishedAt }, run.fence),
  );
  if (moved === 'conflict') {
    const record = await recordOf(context, run.key);
    if (record !== undefined && !isTerminal(record.state)) {
      return settleUnowned(context, run.delivery, 'the record has another writer');
    }
    await settleEnded(context, record, run.delivery, deadLetterReason);
  } else await settleEnded(context, moved, run.delivery, deadLetterReason);
  run.phase = 'over';
  await persist(context, 'release', () => lease.release(run.key, run.fence));
}

/**
 * Settles the delivery of a job that another writer has taken: done when that one has ended the job, else delivered again once its lease
 * must have run out, in case it died half-way.
 */
export async function settleUnowned(context: WorkerContext, delivery: Delivery, reason: string): Promise<void> {
  const record = await recordOf(context, delivery.message.key);
  if (record === undefined || isTerminal(record.state)) await settleEnded(context, record, delivery);
  else await persist(context, 'retry', () => delivery.retry(reason, context.limits.leaseTtlMs));
}

/**
 * Settles the delivery of a job that is over, once the log of facts has its end: whoever settles tells, so that an end that was not told
 * leaves a delivery that comes again. Undefined: its record has been removed since.
 */
export async function settleEnded(
  context: WorkerContext,
  record: JobRecord | undefined,
  delivery: Delivery,
  deadLetterReason?: string,
): Promise<void> {
  if (record !== undefined) {
    for (const fact of await endFacts(context, record)) {
      await persist(context, 'publish the end', () => context.ports.factLog.publish(fact, { mayWaitMs }));
    }
  }
  await persist(context, 'settle', () =>
    deadLetterReason === undefined ? delivery.ack() : delivery.deadLetter(deadLetterReason),
  );
}

function recordOf(context: WorkerContext, key: JobKey): Promise<JobRecord | undefined> {
  return persist(context, 'get', () => context.ports.jobStore.get(key));
}

function observeEnd({ metrics, log }: WorkerContext, run: JobRun, outcome: JobOutcome): void {
  const seconds = (outcome.finishedAt - run.record.createdAt) / 1000;
  metrics.jobsFinished.inc({ state: outcome.state });
  metrics.e2eLatency.observe(seconds);
  if (outcome.result !== null) {
    metrics.promptTokensPerRequest.observe(outcome.result.usage.prompt_tokens);
    metrics.generationTokensPerRequest.observe(outcome.result.usage.completion_tokens);
  }
  log.debug({ job: run.key, state: outcome.state, seconds }, 'job ended');
}
