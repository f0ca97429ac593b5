/**
 * The worker: takes jobs from the bus in fair order, keeps the engine filled but not over-full, writes what it draws and ends jobs. Promises
 * that no acknowledged job is lost, that a job has one story with one end whatever dies, and that a job it continues continues exactly. It
 * knows ports only; which technologies lie behind them is composed by its caller.
 */
import { randomUUID } from 'node:crypto';
import type { JobKey } from '@inkwell/contracts';
import type { Logger, Metrics } from '@inkwell/observability';
import type { Clock, ModelBackendInfo } from '@inkwell/ports';
import { defaultWorkerLimits, type WorkerContext, type WorkerLimits, type WorkerPorts } from './context.ts';
import { EngineSupervisor } from './engine-process/engine-supervisor.ts';
import type { EngineConfig, ToEngine } from './engine-process/protocol.ts';
import { publishOrphans, settlingMs } from './find-jobs.ts';
import { JobDesk } from './job-desk.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { persist } from './persist.ts';

export interface WorkerOptions {
  ports: WorkerPorts;
  engine: EngineConfig;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
  limits?: Partial<WorkerLimits>;
  /** Named in `job.started`; unique among all workers. */
  workerId?: string;
  /** Told of every job that is handed to the engine, in that order; again when it is handed to another engine. */
  onSubmit?: (key: JobKey) => void;
  /** Told how much of the model is loaded, in percent. */
  onLoading?: (percent: number) => void;
}

export interface WorkerStats {
  /** Whether a job handed in now would be run: the engine is up and the worker isn't draining. */
  ready: boolean;
  queuedJobs: number;
  runningJobs: number;
  /** Per second of busy time; 0 while nothing is known. */
  tokensPerSecond: number;
  jobsPerSecond: number;
  engine: ModelBackendInfo | null;
  enginePid: number | null;
}

export interface Worker {
  /** Resolves once the engine is ready and jobs are being taken. Rejects, to be followed by `stop`, when the model cannot be loaded. */
  start(): Promise<void>;
  /** Takes no more jobs, lets those that run finish for up to `timeoutMs`, hands the rest over and stops. */
  drain(timeoutMs: number): Promise<void>;
  /** Hands everything over at once and ends the engine. */
  stop(): Promise<void>;
  stats(): WorkerStats;
}

export function createWorker(options: WorkerOptions): Worker {
  return new JobWorker(options);
}

class JobWorker implements Worker {
  readonly #stopping = new AbortController();
  readonly #consuming = new AbortController();
  readonly #context: WorkerContext;
  readonly #desk: JobDesk;
  readonly #engine: EngineSupervisor;
  readonly #leases: LeaseKeeper;
  #draining = false;
  #stopped: Promise<void> | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor({ ports, engine, log, metrics, clock, limits, workerId, onSubmit, onLoading }: WorkerOptions) {
    this.#context = {
      workerId: workerId ?? `worker-${randomUUID().slice(0, 8)}`,
      ports,
      limits: { ...defaultWorkerLimits, ...limits },
      clock,
      log,
      metrics,
      signal: this.#stopping.signal,
    };
    const { engineStartTimeoutMs, engineHangTimeoutMs } = this.#context.limits;
    const send = (message: ToEngine) => this.#engine.send(message);
    this.#desk = new JobDesk(this.#context, {
      maxSequences: engine.maxSequences,
      send,
      onSubmit: onSubmit ?? (() => {}),
    });
    this.#leases = new LeaseKeeper(
      this.#context,
      () => this.#desk.runs.values(),
      (run) => this.#desk.lose(run),
    );
    this.#engine = new EngineSupervisor(
      engine,
      { startTimeoutMs: engineStartTimeoutMs, hangTimeoutMs: engineHangTimeoutMs },
      {
        onLoading,
        onReady: (info) => this.#desk.engineReady(info),
        onStep: (message) => this.#desk.engineStepped(message),
        onRefused: (submission, message) => this.#desk.engineRefused(submission, message),
        onCrash: (reason) => this.#desk.engineCrashed(reason),
      },
      log,
    );
  }

  async start(): Promise<void> {
    const ready = this.#engine.start();
    // Also while the model is being loaded deadlines pass and cancels come.
    ready.catch(() => {});
    const { workerId, ports, limits, clock } = this.#context;
    await persist(this.#context, 'consume', () =>
      ports.jobBus.consume({
        workerId,
        onDelivery: (delivery) => this.#desk.deliver(delivery),
        onTakenBack: (delivery) => this.#desk.takeBack(delivery),
        onCancel: (key) => this.#desk.cancel(key),
        signal: this.#consuming.signal,
      }),
    );
    await this.#sweep(clock.now());
    this.#sweepTimer = setInterval(() => {
      // Rejects only when the worker stops.
      this.#sweep(clock.now() - settlingMs).catch(() => {});
    }, limits.sweepIntervalMs);
    await ready;
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.#desk.stopTaking();
    await this.#desk.whenIdle(timeoutMs);
    await this.stop();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#draining = true;
    clearInterval(this.#sweepTimer);
    this.#desk.handOverAll();
    // What is being claimed, ended or handed over is a few writes from its end.
    await this.#desk.whenIdle(this.#context.limits.settleTimeoutMs);
    this.#consuming.abort();
    this.#stopping.abort(new Error('the worker stops'));
    this.#leases.close();
    this.#desk.close();
    await this.#engine.stop();
  }

  stats(): WorkerStats {
    return {
      ready: this.#engine.info !== null && !this.#draining,
      queuedJobs: this.#desk.queuedJobs,
      runningJobs: this.#desk.runs.size,
      tokensPerSecond: this.#desk.throughput.tokensPerSecond,
      jobsPerSecond: this.#desk.throughput.jobsPerSecond,
      engine: this.#engine.info,
      enginePid: this.#engine.pid,
    };
  }

  #sweep(createdBefore: number): Promise<void> {
    return publishOrphans(this.#context, createdBefore, (key) => this.#desk.knows(key));
  }
}
