/**
 * Tells the store which jobs' messages are on the bus, many at a time. Nobody waits for a mark: one that is lost means that a worker publishes
 * the job once more, which changes nothing. A job that was begun meanwhile has lost its note already.
 */
import type { JobKey } from '@inkwell/contracts';
import type { Logger } from '@inkwell/observability';
import type { JobStore } from '@inkwell/ports';
import { withoutBudget } from '@inkwell/resilience';

/** Far below the time after which workers look for jobs without a mark. */
const everyMs = 100;

export class PublishedMarks {
  readonly #jobStore: Pick<JobStore, 'markPublished'>;
  readonly #log: Logger;
  #keys: JobKey[] = [];

  constructor(jobStore: Pick<JobStore, 'markPublished'>, log: Logger) {
    this.#jobStore = jobStore;
    this.#log = log;
  }

  add(key: JobKey): void {
    if (this.#keys.push(key) === 1) setTimeout(() => this.#write(), everyMs).unref();
  }

  #write(): void {
    const keys = this.#keys;
    this.#keys = [];
    withoutBudget(() => this.#jobStore.markPublished(keys)).catch((error: unknown) =>
      this.#log.debug({ err: error }, 'jobs were not marked as published'),
    );
  }
}
