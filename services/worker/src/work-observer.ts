/** What is measured of the work in the engine: of its steps, of the tokens of each job, and how fast the worker is while it has something to do. */
import type { WorkerContext } from './context.ts';
import type { FromEngine } from './engine-process/protocol.ts';
import type { JobRun } from './job-run.ts';
import { Throughput } from './throughput.ts';

export class WorkObserver {
  readonly #context: Pick<WorkerContext, 'metrics' | 'clock'>;
  readonly throughput = new Throughput();
  #busySince = 0;

  constructor(context: Pick<WorkerContext, 'metrics' | 'clock'>) {
    this.#context = context;
  }

  /** The worker, which had no job, has one. */
  busy(): void {
    this.#busySince = performance.now();
  }

  stepped({ report, durationMs }: Extract<FromEngine, { type: 'step' }>): void {
    const { metrics } = this.#context;
    const now = performance.now();
    this.throughput.observe((now - this.#busySince) / 1000, { tokens: report.drawnTokens });
    this.#busySince = now;
    metrics.stepDuration.observe(durationMs / 1000);
    metrics.promptTokens.inc(report.promptTokens);
    metrics.generationTokens.inc(report.drawnTokens);
  }

  /** Some were drawn for the job. */
  drew(run: JobRun): void {
    const { metrics, clock } = this.#context;
    const now = clock.now();
    if (run.lastTokenAt !== null) metrics.interTokenLatency.observe((now - run.lastTokenAt) / 1000);
    else if (run.story.length === 0) metrics.timeToFirstToken.observe((now - run.record.createdAt) / 1000);
    run.lastTokenAt = now;
  }

  filtered(rule: string): void {
    this.#context.metrics.policyViolations.inc({ direction: 'output', rule });
  }

  completed(): void {
    this.throughput.observe(0, { jobs: 1 });
  }
}
