/**
 * What worker tests stand on: a temporary directory with a real store and a tiny random model, jobs accepted as the gateway does, and workers
 * over it. Everything is real; a crash is a process or a store that stops answering.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '@inkwell/adapters/embedded';
import {
  type Fact,
  type GenerationSpec,
  isTerminalEvent,
  type JobEvent,
  type JobKey,
  type JobRecord,
  jobKey,
  type NewJob,
  neutralSampling,
  type TerminalEvent,
  toJobMessage,
} from '@inkwell/contracts';
import { modelChecksums, writeRandomModel } from '@inkwell/gpt2';
import { createLog, createMetrics } from '@inkwell/observability';
import { type Handoff, type Limit, systemClock, type WorkerRegistry } from '@inkwell/ports';
import type { WorkerLimits, WorkerPorts } from '../context.ts';
import type { EngineConfig } from '../engine-process/protocol.ts';
import { numericsOf } from '../numerics.ts';
import { createWorker, type Worker } from '../worker.ts';

const queueLimits = { maxQueued: 100_000, maxQueuedPerTenant: 100_000 };

export interface JobWish {
  tenant?: string;
  priority?: NewJob['priority'];
  deadlineAt?: number;
  spec?: Partial<GenerationSpec>;
  costTokens?: number;
  /** A limit its tokens are reserved in before it is accepted. */
  limit?: Limit;
}

export interface WorkerWish {
  engine?: Partial<EngineConfig>;
  limits?: Partial<WorkerLimits>;
  ports?: Partial<WorkerPorts>;
  onSubmit?: (key: JobKey) => void;
  registry?: WorkerRegistry;
  handoff?: Handoff;
  /** Whether it must compute the same bits as the registry's others. */
  agrees?: boolean;
}

export const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];

export function specOf(over: Partial<GenerationSpec> = {}): GenerationSpec {
  return {
    model: 'tiny',
    prompts: [bytesOf('Once upon a time')],
    maxTokens: 16,
    n: 1,
    bestOf: over.n ?? 1,
    stop: [],
    logprobs: null,
    echo: false,
    ignoreEos: true,
    ...over,
    sampling: { ...neutralSampling, seed: 7, ...over.sampling },
  };
}

export class Bench {
  readonly directory: string;
  readonly log = createLog({ level: 'silent', name: 'test' });
  store!: EmbeddedStore;
  readonly #workers: Worker[] = [];
  #jobs = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @param width of the model: wider is slower */
  static async open(width = 16): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), 'inkwell-worker-')));
    await writeRandomModel(
      bench.directory,
      { n_layer: 4, n_head: 2, n_embd: width, n_positions: 256, vocab_size: 300 },
      { seed: 5 },
    );
    await bench.openStore();
    return bench;
  }

  /** What a new process finds: everything acknowledged, and nobody at work. */
  async restartStore(): Promise<void> {
    await this.store.close();
    await this.openStore();
  }

  async openStore(): Promise<void> {
    this.store = await openEmbeddedStore({ directory: join(this.directory, 'data'), clock: systemClock });
  }

  get ports(): WorkerPorts {
    const { jobBus, jobStore, jobSteps, resultStream, lease, factLog, rateLimiter } = this.store;
    return { jobBus, jobStore, jobSteps, resultStream, lease, factLog, rateLimiter };
  }

  /** A worker that has not been started. */
  worker({ engine, limits, ports, onSubmit, registry, handoff, agrees }: WorkerWish = {}): Worker {
    const worker = createWorker({
      ports: { ...this.ports, ...ports },
      engine: { backend: 'null', modelDir: this.directory, threads: 1, nullPaceMs: 1, maxSequences: 32, ...engine },
      log: this.log,
      metrics: createMetrics(),
      clock: systemClock,
      limits: { leaseTtlMs: 600, settleTimeoutMs: 500, ...limits },
      ...(onSubmit && { onSubmit }),
      ...(registry && { registry }),
      ...(handoff && { handoff }),
      ...(agrees && {
        numerics: async (info) => numericsOf('tiny', await modelChecksums(this.directory), info),
      }),
    });
    this.#workers.push(worker);
    return worker;
  }

  async startWorker(wish: WorkerWish = {}): Promise<Worker> {
    const worker = this.worker(wish);
    await worker.start();
    return worker;
  }

  newJob({ tenant = 'acme', priority = 'standard', deadlineAt, spec, costTokens, limit }: JobWish): NewJob {
    const id = `job_${++this.#jobs}`;
    const whole = specOf(spec);
    const now = systemClock.now();
    const cost =
      costTokens ?? whole.bestOf * whole.prompts.reduce((sum, prompt) => sum + prompt.length + whole.maxTokens, 0);
    return {
      key: jobKey(tenant, id),
      tenant,
      id,
      state: 'queued',
      priority,
      spec: whole,
      metadata: {},
      costTokens: cost,
      ...(limit && { reservedTokens: cost }),
      createdAt: now,
      startedAt: null,
      finishedAt: null,
      deadlineAt: deadlineAt ?? null,
      onDisconnect: 'continue',
      attempts: 0,
      requestHash: id,
      createdBy: 'key_test',
      requestId: `req_${id}`,
      result: null,
      error: null,
    };
  }

  /** Accepts a job as the gateway does, but for the last step. */
  async accept(wish: JobWish = {}): Promise<JobRecord> {
    const job = this.newJob(wish);
    const { jobSteps, rateLimiter } = this.store;
    if (wish.limit) await rateLimiter.take({ id: job.key, limits: [wish.limit], tokens: job.costTokens });
    const created = await jobSteps.accept(job, queueLimits);
    if (created.outcome !== 'created') throw new Error(`the job was not created: ${created.outcome}`);
    return created.record;
  }

  async submit(wish: JobWish = {}): Promise<JobRecord> {
    const record = await this.accept(wish);
    await this.store.jobBus.publish(toJobMessage(record));
    return record;
  }

  /** The whole story, once it has ended. */
  async story(key: JobKey, timeoutMs = 45_000): Promise<JobEvent[]> {
    const story: JobEvent[] = [];
    for await (const event of this.store.resultStream.follow(key, 0, AbortSignal.timeout(timeoutMs))) story.push(event);
    const last = story.at(-1);
    if (last === undefined || !isTerminalEvent(last)) throw new Error(`job ${key} has not ended: ${describe(story)}`);
    return story;
  }

  async ending(key: JobKey): Promise<TerminalEvent> {
    return (await this.story(key)).at(-1) as TerminalEvent;
  }

  /** Everything the log of facts tells, up to the end of this job. */
  async factsUntilEndOf(key: JobKey): Promise<Fact[]> {
    const facts: Fact[] = [];
    const found = Promise.withResolvers<void>();
    const leaving = new AbortController();
    await this.store.factLog.consume({
      group: `test-${randomUUID()}`,
      signal: leaving.signal,
      onFacts: async (batch) => {
        facts.push(...batch);
        if (batch.some(({ id }) => id === `job.ended:${key}`)) found.resolve();
      },
    });
    const timer = setTimeout(() => found.reject(new Error(`the end of ${key} was not told`)), 45_000);
    await found.promise.finally(() => clearTimeout(timer));
    leaving.abort();
    return facts;
  }

  /** The job's events up to the first that satisfies the condition. */
  async until(key: JobKey, found: (event: JobEvent) => boolean): Promise<JobEvent> {
    for await (const event of this.store.resultStream.follow(key, 0, AbortSignal.timeout(45_000))) {
      if (found(event)) return event;
    }
    throw new Error(`job ${key} ended without that event`);
  }

  /** Waits, looking again after every turn, for what no event tells. */
  async eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 45_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`did not happen: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.store.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function describe(story: readonly JobEvent[]): string {
  return story.map((event) => event.type).join(', ');
}
