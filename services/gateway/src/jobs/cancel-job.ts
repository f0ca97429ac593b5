/**
 * Cancelling: take the lease from whoever has it, so that one writer remains, then end the story and move the record as a worker would. If we
 * die half-way the redelivery repairs it, exactly as it repairs a worker's death.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  foldEvents,
  hasRefusedText,
  InkwellError,
  isTerminalEvent,
  type JobEvent,
  type JobOutcome,
  type JobRecord,
  jobEndedFact,
} from '@inkwell/contracts';
import { settleJob } from '@inkwell/limits';
import { withoutBudget } from '@inkwell/resilience';
import { auditBehind, type By } from '../audit/audit.ts';
import type { GatewayContext } from '../context.ts';
import { throughOutage } from '../delivery/through-outage.ts';
import { stopSignal } from '../http/stop-signal.ts';
import { withOutcome } from './read-job.ts';

const leaseTtlMs = 10_000;
const owner = 'gateway-cancel';
const pageSize = 1_000;
/** Only other cancellers of the same job can come in between; waiting a random while lets one of them finish. */
const maxTries = 8;
const firstBackoffMs = 10;

async function readStory(gateway: GatewayContext, record: JobRecord): Promise<JobEvent[]> {
  const story: JobEvent[] = [];
  for (;;) {
    const page = await gateway.ports.resultStream.read(record.key, story.at(-1)?.seq ?? 0, pageSize);
    story.push(...page);
    if (page.length < pageSize) return story;
  }
}

function cancelledOutcome(gateway: GatewayContext, record: JobRecord, story: JobEvent[]): JobOutcome {
  const folded = foldEvents(record.spec, story);
  const finishedAt = gateway.clock.now();
  return { state: 'cancelled', result: folded.produced ? folded.result : null, error: null, finishedAt };
}

async function tryToCancel(gateway: GatewayContext, record: JobRecord): Promise<JobOutcome | 'again'> {
  const { jobStore, lease, rateLimiter, resultStream } = gateway.ports;
  const { fence } = await lease.seize(record.key, owner, leaseTtlMs);
  const story = await readStory(gateway, record);
  const last = story.at(-1);
  let outcome: JobOutcome;
  if (last && isTerminalEvent(last)) outcome = last.outcome;
  else {
    outcome = cancelledOutcome(gateway, record, story);
    const event = { type: 'job.cancelled', at: outcome.finishedAt, outcome } as const;
    if ((await resultStream.append(record.key, fence, last?.seq ?? 0, [event])) === 'stale') return 'again';
  }
  const { state, result, error, finishedAt } = outcome;
  await settleJob(rateLimiter, record, outcome);
  const patch = { result, error, finishedAt };
  const moved = await jobStore.transition(record.key, ['queued', 'in_progress'], state, patch, fence);
  // The lease is given up once the end is told. If that was for another writer to do, or the story says more of it, whoever finds the lease lapsed does it.
  if (moved !== 'conflict' && !hasRefusedText(moved)) {
    const onTold = () => {
      // What fails here lapses.
      gateway.lifecycle.background(withoutBudget(() => lease.release(record.key, fence)).catch(() => {}));
    };
    gateway.trail.publishBehind(jobEndedFact(moved), { onTold });
  }
  return outcome;
}

/**
 * Ends the job unless it has ended. Answers it as it ended, which may be otherwise than cancelled if it was faster.
 * @throws InkwellError `dependency_unavailable`
 */
export async function cancelJob(gateway: GatewayContext, record: JobRecord, by: By): Promise<JobRecord> {
  const { id, key, tenant } = record;
  const act = { action: 'job.cancelled', resource: `job/${id}`, tenant, once: key } as const;
  gateway.trail.ensureRoom();
  const ended = await endNow(gateway, record);
  if (ended.state === 'cancelled') auditBehind(gateway, by, act);
  return ended;
}

async function endNow(gateway: GatewayContext, record: JobRecord): Promise<JobRecord> {
  for (let tries = 0; tries < maxTries; tries++) {
    const outcome = await tryToCancel(gateway, record);
    if (outcome === 'again') {
      await delay(Math.random() * firstBackoffMs * 2 ** tries);
      const last = await gateway.ports.resultStream.last(record.key);
      if (last && isTerminalEvent(last)) return withOutcome(record, last.outcome);
      continue;
    }
    if (outcome.state === 'cancelled') await gateway.ports.jobBus.announceCancel(record.key);
    return withOutcome(record, outcome);
  }
  throw new InkwellError('dependency_unavailable', { message: 'The job is being written to; try again.' });
}

/** For clients that went away: cancels after the request is over, and nobody waits for it but the shutdown. */
export function cancelInBackground(gateway: GatewayContext, record: JobRecord, by: By): void {
  const { signal, release } = stopSignal(gateway.lifecycle.onCut);
  const work = throughOutage(gateway, signal, () => cancelJob(gateway, record, by)).then(
    () => {},
    (error: unknown) =>
      gateway.log.error({ err: error, jobId: record.id }, 'could not cancel the job of a client that left'),
  );
  gateway.lifecycle.background(work.finally(release));
}
