/**
 * For those who stay connected while a dependency is away: streams, and work that nobody waits for. What fails because of the outage is
 * tried again until it is over or the patience is; a story goes on behind the last event that was seen.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { isOutage, pauseAfter, retry, withBudget } from '@inkwell/resilience';
import type { GatewayContext } from '../context.ts';

const pauses = { firstMs: 50, longestMs: 1_000 };

/** @throws what the work throws, at once or when patience is over; the signal's reason when it aborts meanwhile */
export function throughOutage<T>(gateway: GatewayContext, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const { requestBudgetMs, streamPatienceMs } = gateway.config;
  let giveUpAt: number | undefined;
  return retry(() => withBudget(requestBudgetMs, work), {
    ...pauses,
    signal,
    onFailure(error) {
      giveUpAt ??= performance.now() + streamPatienceMs;
      if (!isOutage(error) || performance.now() > giveUpAt) throw error;
    },
  });
}

/** `follow` across outages. @throws InkwellError `dependency_unavailable` when one lasts longer than patience */
export async function* followThroughOutage(
  gateway: GatewayContext,
  key: JobKey,
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  const { resultStream } = gateway.ports;
  let seq = afterSeq;
  let failures = 0;
  let giveUpAt = 0;
  while (!signal.aborted) {
    try {
      for await (const event of resultStream.follow(key, seq, signal)) {
        failures = 0;
        yield event;
        seq = event.seq;
      }
      return;
    } catch (error) {
      if (failures === 0) giveUpAt = performance.now() + gateway.config.streamPatienceMs;
      if (!isOutage(error) || performance.now() > giveUpAt) throw error;
      failures++;
      await delay(pauseAfter(failures, pauses), undefined, { signal }).catch(() => {});
    }
  }
}
