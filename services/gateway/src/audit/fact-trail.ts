/**
 * Facts on their way to the log. `publish` resolves when the fact is durable. `publishBehind` answers at once and sees to it until it is; what waits
 * is bounded, and when there is no room left callers are told to refuse the act: nothing is ever dropped. It is no part of the request it came with,
 * whose budget may be spent long before.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Fact, InkwellError } from '@inkwell/contracts';
import type { Logger } from '@inkwell/observability';
import type { FactLog } from '@inkwell/ports';
import { Deadlines, TurnoverMap, withoutBudget } from '@inkwell/resilience';

/** Some seconds of acts at full speed. */
const mostWaiting = 20_000;
const pauseMs = 250;
/** What is told behind an answer shares its write with others. */
const mayWaitMs = 25;
/** What another fact tells again, should we die before it is written, may wait longer. */
const toldAgainMayWaitMs = 200;
/** How long a fact waits for another one that tells it too. */
const holdMs = 1_000;

interface Held {
  publish(): void;
  cancel(): void;
}

interface Behind {
  /** Another fact will tell it too. */
  toldAgain?: boolean;
  /** Called when it is durable. */
  onTold?: () => void;
}

interface Untold {
  readonly fact: Fact;
  readonly mayWaitMs: number;
  onTold(): void;
}

export class FactTrail {
  readonly #factLog: Pick<FactLog, 'publish'>;
  readonly #log: Logger;
  readonly #mostWaiting: number;
  /** Behind an answer, not durable yet. */
  #waiting = 0;
  /** Those of them that failed, oldest first. */
  #failed: Untold[] = [];
  #retrying = false;
  readonly #holds = new Deadlines(holdMs);
  /** By what drops them. */
  readonly #held = new TurnoverMap<string, Held>();
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

  /** As `publishBehind`, but a second later, and not at all if it is dropped before by its key, which no other that is held has. */
  hold(key: string, fact: Fact): void {
    this.#waiting++;
    const publish = () => {
      this.#held.delete(key);
      this.#publish({ fact, mayWaitMs: toldAgainMayWaitMs, onTold: () => {} });
    };
    this.#held.set(key, { publish, cancel: this.#holds.watch(publish) });
  }

  /** Of a fact that is held: another one tells it. */
  drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    held.cancel();
    this.#held.delete(key);
    this.#done();
  }

  publishBehind(fact: Fact, { toldAgain = false, onTold = () => {} }: Behind = {}): void {
    this.#waiting++;
    this.#publish({ fact, mayWaitMs: toldAgain ? toldAgainMayWaitMs : mayWaitMs, onTold });
  }

  #publish(one: Untold): void {
    withoutBudget(() => this.#factLog.publish(one.fact, { mayWaitMs: one.mayWaitMs })).then(
      () => this.#told(one),
      (error: unknown) => {
        this.#failed.push(one);
        void this.#retry(error);
      },
    );
  }

  /** Resolves when nothing waits any more, or after the time. */
  async settle(timeoutMs: number): Promise<void> {
    for (const { publish, cancel } of this.#held.values()) {
      cancel();
      publish();
    }
    if (this.#waiting === 0) return;
    const gaveUp = new AbortController();
    await Promise.race([this.#idle.promise, delay(timeoutMs, undefined, { signal: gaveUp.signal }).catch(() => {})]);
    gaveUp.abort();
    if (this.#waiting > 0)
      this.#log.error({ facts: this.#waiting }, 'facts could not be told; jobs tell theirs when they end');
    this.#failed = [];
  }

  #told({ onTold }: Untold): void {
    onTold();
    this.#done();
  }

  #done(): void {
    this.#waiting--;
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
        await withoutBudget(() => this.#factLog.publish(first.fact));
      } catch {
        continue;
      }
      const rest = this.#failed.slice(1);
      this.#failed = [];
      this.#told(first);
      for (const one of rest) this.#publish(one);
    }
    this.#retrying = false;
  }
}
