/** How many clients of this gateway read each job's stream: a job cancelled on disconnect ends when the last of them leaves. */
import type { JobKey } from '@inkwell/contracts';

export class Readers {
  readonly #counts = new Map<JobKey, number>();

  came(key: JobKey): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** True when it was the last. */
  left(key: JobKey): boolean {
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
    return left <= 0;
  }
}
