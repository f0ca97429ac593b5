/**
 * A circuit breaker per dependency (Nygard, Release It!, 2nd ed., chapter 5), over opossum. Closed: calls go through, each with a deadline; opossum,
 * whose way of a call costs more than most calls, is told only how many there were and how each of them failed.
 * Open, after failures in a row or when most calls fail: calls are refused at once. After a rest it is half open: one call is let through,
 * and how it ends decides. With a pulse, a cheap call of our own made again and again, that one is the pulse: an outage is noticed without
 * traffic, its end too, and no client has to try. What is counted as failure, `isOutage` says.
 */
import { InkwellError } from '@inkwell/contracts';
import CircuitBreaker from 'opossum';
import { currentBudget } from './budget.ts';
import { DeadlineError, Deadlines, withDeadline } from './deadline.ts';
import { TurnoverSet } from './turnover-set.ts';

export type BreakerState = 'closed' | 'half_open' | 'open';

/** Why a call was answered `dependency_unavailable`: refused unasked, failed, too late, or its request had waited enough. */
export type RefusalReason = 'open' | 'failed' | 'late' | 'budget';

export interface BreakerListener {
  /** Also told of the first state. */
  onState(dependency: string, state: BreakerState): void;
  onRefusal(dependency: string, reason: RefusalReason): void;
}

export interface BreakerOptions {
  /** Name for people: metrics, logs, readiness. */
  dependency: string;
  /** Longest one call may take. */
  timeoutMs: number;
  /** How long it stays open before one call is let through (default 500). */
  restMs?: number;
  /** Failures without a success in between that open it (default 3). */
  failuresInARow?: number;
  /** A cheap call that shows whether the dependency answers. */
  pulse?: (() => Promise<unknown>) | undefined;
  /** How often (default 500). */
  pulseMs?: number;
  listener?: BreakerListener;
}

export interface Breaker {
  readonly dependency: string;
  readonly state: BreakerState;
  /**
   * Answers what `work` answers; `what` names it in the log. Waits no longer than the deadline, nor than the budget of the caller has left.
   * @throws InkwellError `dependency_unavailable`, or an InkwellError of the work that is an answer
   */
  run<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** Calls back once it is open and no call has succeeded for `graceMs`. Answers how to unsubscribe. */
  onOutage(graceMs: number, listener: () => void): () => void;
  /** Ends its timers; calls are refused with `shutting_down` afterwards. */
  close(): void;
}

const defaults = { restMs: 500, failuresInARow: 3, pulseMs: 500 };
/** Opens it also when the calls that succeed in between are the fewer: most of at least so many within so long. */
const mostly = {
  errorThresholdPercentage: 50,
  volumeThreshold: 20,
  rollingCountTimeout: 2_000,
  rollingCountBuckets: 4,
};
const retryAfterSeconds = 1;

/** Errors that say something about us, not about the dependency. */
const mistakes = [TypeError, RangeError, ReferenceError, SyntaxError];

/** Whether an error means that the dependency is not there. Other InkwellErrors are answers: it was asked, and said no. */
export function isOutage(error: unknown): boolean {
  if (error instanceof InkwellError) return error.code === 'dependency_unavailable';
  return !mistakes.some((mistake) => error instanceof mistake);
}

export function createBreaker(options: BreakerOptions): Breaker {
  return new OpossumBreaker(options);
}

type Work = () => Promise<unknown>;

/** A call that took longer than any may. */
class LateError extends Error {
  constructor(cause: DeadlineError) {
    super(cause.message, { cause });
  }
}

class OpossumBreaker implements Breaker {
  readonly dependency: string;
  readonly #circuit: CircuitBreaker<[Work], unknown>;
  readonly #options: BreakerOptions & typeof defaults;
  readonly #outages = new TurnoverSet<() => void>();
  readonly #deadlines: Deadlines;
  readonly #pulse: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastSuccessAt = performance.now();

  constructor(given: BreakerOptions) {
    const options = { ...defaults, ...given };
    this.#options = options;
    this.dependency = options.dependency;
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#circuit = new CircuitBreaker((work: Work) => work(), {
      ...mostly,
      name: options.dependency,
      timeout: options.timeoutMs,
      resetTimeout: options.restMs,
      errorFilter: (error) => !isOutage(error),
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#circuit.on('success', () => this.#succeeded());
    this.#circuit.on('failure', () => {
      this.#failures++;
      if (this.#failures >= options.failuresInARow) this.#circuit.open();
    });
    const changed = () => this.#changed();
    this.#circuit.on('open', changed).on('halfOpen', changed).on('close', changed);
    options.listener?.onState(this.dependency, 'closed');
    if (options.pulse) this.#pulse = setInterval(() => this.#beat(), options.pulseMs).unref();
  }

  get state(): BreakerState {
    if (this.#circuit.opened) return 'open';
    return this.#circuit.halfOpen ? 'half_open' : 'closed';
  }

  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#pulse && !this.#circuit.closed && !this.#circuit.isShutdown) throw this.#refusal(what, 'open');
    const budget = currentBudget();
    const leftMs = budget?.leftMs ?? Number.POSITIVE_INFINITY;
    if (leftMs <= 0) throw this.#refusal(what, 'budget');
    budget?.enter();
    try {
      const call = this.#circuit.closed ? this.#watch(what, work) : (this.#circuit.fire(work) as Promise<T>);
      // A request that has waited enough is no news about the dependency: the circuit goes on listening to the call.
      return await (leftMs >= this.#options.timeoutMs ? call : withDeadline(call, what, leftMs));
    } catch (error) {
      throw this.#translate(what, error);
    } finally {
      budget?.leave();
    }
  }

  /** The way of a call while the circuit is closed. */
  async #watch<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      const answer = await this.#deadlines.bound(work, what);
      this.#circuit.emit('fire', []);
      this.#succeeded();
      return answer;
    } catch (error) {
      const thrown = error instanceof DeadlineError ? new LateError(error) : error;
      // The circuit counts it, and opens if it is one too many. Its answer is the error, unless it opened meanwhile.
      await this.#circuit.fire(() => Promise.reject(thrown)).catch(() => {});
      throw thrown;
    }
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#lastSuccessAt = performance.now();
  }

  onOutage(graceMs: number, listener: () => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      // Half open and open again is one outage.
      if (this.#circuit.closed) {
        clearTimeout(timer);
        timer = undefined;
      } else timer ??= setTimeout(listener, this.#lastSuccessAt + graceMs - performance.now()).unref();
    };
    const remove = this.#outages.add(look);
    look();
    return () => {
      clearTimeout(timer);
      remove();
    };
  }

  close(): void {
    clearInterval(this.#pulse);
    this.#circuit.shutdown();
  }

  #changed(): void {
    this.#options.listener?.onState(this.dependency, this.state);
    for (const look of this.#outages.values()) look();
    if (this.#circuit.halfOpen) this.#beat();
  }

  /** One that fails is counted by the circuit; that is all it is for. While half open the circuit lets one through. */
  #beat(): void {
    const { pulse } = this.#options;
    if (pulse && !this.#circuit.opened) this.#circuit.fire(async () => pulse()).catch(() => {});
  }

  #translate(what: string, error: unknown): unknown {
    if (this.#circuit.isShutdown) return new InkwellError('shutting_down', { retryAfterSeconds, cause: error });
    if (error instanceof InkwellError && !isOutage(error)) return error;
    return this.#refusal(what, reasonOf(error), error);
  }

  #refusal(what: string, reason: RefusalReason, cause?: unknown): InkwellError {
    this.#options.listener?.onRefusal(this.dependency, reason);
    const hint = cause instanceof InkwellError ? cause : undefined;
    return new InkwellError('dependency_unavailable', {
      message: hint?.message,
      retryAfterSeconds: hint?.retryAfterSeconds ?? retryAfterSeconds,
      cause: new Error(`${this.dependency}: ${what}: ${reason}`, { cause: hint?.cause ?? cause }),
    });
  }
}

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof DeadlineError) return 'budget';
  if (error instanceof LateError) return 'late';
  if (!CircuitBreaker.isOurError(error as Error)) return 'failed';
  return (error as NodeJS.ErrnoException).code === 'ETIMEDOUT' ? 'late' : 'open';
}
