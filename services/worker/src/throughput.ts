/**
 * How fast this worker is while it works: tokens and jobs per busy second, older seconds counting less and less (an exponentially weighted
 * mean over busy time). Idle time counts nothing, so the figures still say what to expect after a quiet night.
 */
const timeConstantSeconds = 30;

export class Throughput {
  #seconds = 0;
  #tokens = 0;
  #jobs = 0;

  /** Adds a stretch of busy time and what was done in it. */
  observe(seconds: number, done: { tokens?: number; jobs?: number }): void {
    const kept = Math.exp(-seconds / timeConstantSeconds);
    this.#seconds = this.#seconds * kept + seconds;
    this.#tokens = this.#tokens * kept + (done.tokens ?? 0);
    this.#jobs = this.#jobs * kept + (done.jobs ?? 0);
  }

  /** 0 while nothing is known. */
  get tokensPerSecond(): number {
    return this.#seconds > 0 ? this.#tokens / this.#seconds : 0;
  }

  /** 0 while nothing is known. */
  get jobsPerSecond(): number {
    return this.#seconds > 0 ? this.#jobs / this.#seconds : 0;
  }
}
