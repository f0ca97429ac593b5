/**
 * Facts on their way to the log. `publish` resolves when the fact is durable. `publishBehind` answers at once and sees to it until it is; what waits
 * is bounded, and when there is no room left callers are told to refuse the act: nothing is ever dropped.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Fact, InkwellError } from '@inkwell/contracts';
import type { Logger } from '@inkwell/observability';
import type { FactLog } from '@inkwell/ports';

/** Some seconds of acts at full speed. */
const mostWaiting = 20_000;
const pauseMs = 250;
/** What is told behind an answer shares its write with others. */
const mayWaitMs = 25;

export class FactTrail {
  readonly #factLog: Pick<FactLog, 'publish'>;
  readonly #log: Logger;
  readonly #mostWaiting: number;
  /** Behind an answer, not durable yet. */
  #waiting = 0;
  /** Those of them that failed, oldest first. */
  #failed: Fact[] = [];
  #retrying = false;
  #idle = Promise.withResolvers<void>();

  constructor(factLog: Pick<FactLog, 'publish'>, log: Logger, most = mostWaiting) {
    this.#factLog = factLog;
    this.#log = log;
    this.#mostWaiting = most;
  }

  publish(fact: Fact): Promise<void> {
    return this.#factLog.publish(fact);
  }

  /** To be asked before an act that is published behind its answer. @throws InkwellError `dependency_unavailable` */
  ensureRoom(): void {
    if (this.#waiting >= this.#mostWaiting) {
      throw new InkwellError('dependency_unavailable', {
        message: 'The audit log is not available.',
        retryAfterSeconds: 5,
      });
    }
  }

  publishBehind(fact: Fact): void {
    this.#waiting++;
    this.#factLog.publish(fact, { mayWaitMs }).then(
      () => this.#done(1),
      (error: unknown) => {
        this.#failed.push(fact);
        void this.#retry(error);
      },
    );
  }

  /** Resolves when nothing waits any more, or after the time. */
  async settle(timeoutMs: number): Promise<void> {
    if (this.#waiting === 0) return;
    const gaveUp = new AbortController();
    await Promise.race([this.#idle.promise, delay(timeoutMs, undefined, { signal: gaveUp.signal }).catch(() => {})]);
    gaveUp.abort();
    if (this.#waiting > 0)
      this.#log.error({ facts: this.#waiting }, 'facts could not be told; jobs tell theirs when they end');
    this.#failed = [];
  }

  #done(count: number): void {
    this.#waiting -= count;
    if (this.#waiting > 0) return;
    this.#idle.resolve();
    this.#idle = Promise.withResolvers();
  }

  /** One at a time finds out whether the log is back. */
  async #retry(error: unknown): Promise<void> {
    if (this.#retrying) return;
    this.#retrying = true;
    this.#log.warn({ err: error }, 'facts could not be told; they are tried again');
    while (this.#failed.length > 0) {
      await delay(pauseMs, undefined, { ref: false });
      const [first] = this.#failed;
      if (first === undefined) break;
      try {
        await this.#factLog.publish(first);
      } catch {
        continue;
      }
      const rest = this.#failed.slice(1);
      this.#failed = [];
      this.#done(1);
      this.#waiting -= rest.length;
      for (const fact of rest) this.publishBehind(fact);
    }
    this.#retrying = false;
  }
}
