/**
 * The recorder: takes facts from the log and projects them into the audit log, the history of jobs (which usage is a view of) and the queue of webhooks. Guarantees that a fact is settled only when
 * every projection has it, and that one delivered again changes nothing, since each projection knows facts by their ids. A store that is
 * down makes it wait and try again, however long; nothing is passed by because of it.
 */
import type { Fact } from '@inkwell/contracts';
import type { Logger, Metrics } from '@inkwell/observability';
import type { AuditLog, Clock, FactLog, JobHistory, WebhookQueue } from '@inkwell/ports';
import { type Backoff, retry } from '@inkwell/resilience';
import { sortFacts } from './sort-facts.ts';

export interface RecorderOptions {
  factLog: FactLog;
  auditLog: AuditLog;
  jobHistory: JobHistory;
  webhookQueue: WebhookQueue;
  /** Told when webhooks are there to be sent; without it they are found by looking. */
  onWebhooks?: () => void;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
  pauses?: Pauses;
}

export interface Recorder {
  /** Resolves once facts are received. */
  start(): Promise<void>;
  /** Finishes the facts at hand for up to `timeoutMs`; what is left comes again at the next start. */
  stop(timeoutMs: number): Promise<void>;
}

interface Pauses extends Backoff {
  /** After this long the failure is handed on: the log has its own pauses, and must hear from its consumer now and then. */
  patienceMs: number;
}

const usualPauses: Pauses = { firstMs: 50, longestMs: 1_000, patienceMs: 5_000 };
const group = 'recorder';
/** Facts written at once: bounded, whatever the log hands over. */
const batchSize = 2000;
const headEveryMs = 60_000;

export function createRecorder(options: RecorderOptions): Recorder {
  return new FactRecorder(options);
}

class FactRecorder implements Recorder {
  readonly #options: RecorderOptions;
  /** Aborts when nothing new is taken; then when what is at hand is left to the next start. */
  readonly #leaving = new AbortController();
  readonly #stopping = new AbortController();
  #working: Promise<void> = Promise.resolve();
  #headLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    const { factLog } = this.#options;
    return factLog.consume({ group, onFacts: (facts) => this.#take(facts), signal: this.#stopping.signal });
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#leaving.abort();
    const timer = setTimeout(() => this.#stopping.abort(), timeoutMs);
    await this.#working.catch(() => {});
    clearTimeout(timer);
    this.#stopping.abort();
  }

  #take(facts: readonly Fact[]): Promise<void> {
    if (this.#leaving.signal.aborted) return Promise.reject(new Error('the recorder is leaving'));
    this.#working = this.#project(facts);
    return this.#working;
  }

  async #project(facts: readonly Fact[]): Promise<void> {
    for (let at = 0; at < facts.length; at += batchSize) await this.#projectBatch(facts.slice(at, at + batchSize));
    await this.#observe(facts);
  }

  async #projectBatch(facts: readonly Fact[]): Promise<void> {
    const { auditLog, jobHistory, webhookQueue, onWebhooks, clock, log, metrics } = this.#options;
    const { audit, ended, webhooks, unreadable } = sortFacts(facts, clock.now());
    for (const { id, kind } of unreadable) {
      metrics.factsUnreadable.inc({ kind });
      log.error({ fact: id, kind }, 'a fact fits no schema and is passed by');
    }
    await Promise.all([
      this.#write('audit', audit.length, () => auditLog.append(audit)),
      this.#write('history', ended.length, () => jobHistory.record(ended)),
      this.#write('webhooks', webhooks.length, () => webhookQueue.add(webhooks)),
    ]);
    if (webhooks.length > 0) onWebhooks?.();
    for (const { kind } of facts) metrics.factsProjected.inc({ kind });
  }

  async #write(projection: string, count: number, work: () => Promise<void>): Promise<void> {
    if (count === 0) return;
    const { log, metrics, pauses = usualPauses } = this.#options;
    const givesUpAt = performance.now() + pauses.patienceMs;
    await retry(work, {
      ...pauses,
      signal: this.#stopping.signal,
      onFailure(err, pauseMs) {
        if (performance.now() + pauseMs > givesUpAt) throw err;
        metrics.projectionFailures.inc({ projection });
        log.warn({ err, projection, pauseMs }, 'facts could not be written; they are tried again');
      },
    });
  }

  /** The head goes to the log now and then: a copy of it that whoever can alter the store may not be able to alter. */
  async #observe(facts: readonly Fact[]): Promise<void> {
    const { auditLog, clock, log, metrics } = this.#options;
    const now = clock.now();
    const newest = Math.max(...facts.map(({ at }) => at));
    metrics.projectionLag.set(Math.max(0, now - newest) / 1000);
    if (now - this.#headLoggedAt < headEveryMs) return;
    this.#headLoggedAt = now;
    const head = await auditLog.head().catch(() => undefined);
    if (head === undefined) return;
    metrics.auditEntries.set(head.seq);
    log.info({ seq: head.seq, hash: head.hash }, 'head of the audit log');
  }
}
