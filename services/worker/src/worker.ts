/**
 * The worker: takes jobs from the bus in fair order, keeps the engine filled but not over-full, writes what it draws and ends jobs. Promises
 * that no acknowledged job is lost, that a job has one story with one end whatever dies, and that a job it continues continues exactly. It
 * knows ports only; which technologies lie behind them is composed by its caller.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { JobKey } from '@inkwell/contracts';
import type { Logger, Metrics } from '@inkwell/observability';
import type {
  Clock,
  Handoff,
  ModelBackendInfo,
  Numerics,
  WorkerRegistry,
  WorkerReport,
  WorkerWish,
} from '@inkwell/ports';
import { defaultWorkerLimits, type WorkerContext, type WorkerLimits, type WorkerPorts } from './context.ts';
import { EngineSupervisor } from './engine-process/engine-supervisor.ts';
import type { EngineConfig, ToEngine } from './engine-process/protocol.ts';
import { publishOrphans, settlingMs } from './find-jobs.ts';
import { Heartbeat } from './heartbeat.ts';
import { JobDesk } from './job-desk.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Agreement } from './numerics.ts';
import { persist } from './persist.ts';
import { PlaceKeeper } from './place-keeper.ts';
import { Rescue } from './rescue.ts';

export interface WorkerOptions {
  ports: WorkerPorts;
  engine: EngineConfig;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
  limits?: Partial<WorkerLimits>;
  /** Where it says that it lives, and is asked to drain. */
  registry?: WorkerRegistry;
  /** Where it offers its free places; left out, all its jobs come over the bus. */
  handoff?: Handoff;
  /** Name of the model it serves, for the registry. */
  model?: string;
  /** What its bits depend on: it works only with workers in the registry that have the same. Left out, it asks nobody. */
  numerics?: (info: ModelBackendInfo) => Promise<Numerics>;
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
  /**
   * Resolves once the engine is ready and jobs are being taken. Rejects, to be followed by `stop`, when the model cannot be loaded, or computes other
   * bits than the cluster's.
   */
  start(): Promise<void>;
  /** Takes no more jobs, lets those that run finish for up to `timeoutMs`, hands the rest over and stops. */
  drain(timeoutMs: number): Promise<void>;
  /** Hands everything over at once and ends the engine. */
  stop(): Promise<void>;
  stats(): WorkerStats;
}

/** How often in the life of a lease is looked for those that ran out. */
const rescuesPerLease = 4;

export function createWorker(options: WorkerOptions): Worker {
  return new JobWorker(options);
}

class JobWorker implements Worker {
  readonly #stopping = new AbortController();
  readonly #context: WorkerContext;
  readonly #desk: JobDesk;
  readonly #engine: EngineSupervisor;
  readonly #leases: LeaseKeeper;
  readonly #rescue: Rescue;
  readonly #model: string;
  readonly #registry: WorkerRegistry | undefined;
  readonly #handoff: Handoff | undefined;
  readonly #agreement: Agreement | undefined;
  readonly #startedAt: number;
  /** Settled by the first engine's numerics. */
  readonly #mayWork = Promise.withResolvers<void>();
  #works = false;
  #consuming = new AbortController();
  #heartbeat: Heartbeat | undefined;
  #places: PlaceKeeper | undefined;
  #wish: WorkerWish = 'run';
  #draining = false;
  #stopped: Promise<void> | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #rescueTimer: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    const { ports, engine, log, metrics, clock, limits, workerId, onSubmit, onLoading } = options;
    this.#registry = options.registry;
    this.#handoff = options.handoff;
    this.#model = options.model ?? '';
    this.#startedAt = clock.now();
    this.#context = {
      workerId: workerId ?? `worker-${randomUUID().slice(0, 8)}`,
      ports,
      limits: { ...defaultWorkerLimits, ...limits },
      clock,
      log,
      metrics,
      signal: this.#stopping.signal,
    };
    if (options.registry !== undefined && options.numerics !== undefined)
      this.#agreement = new Agreement(this.#context, options.registry, options.numerics);
    // Heard by `start`, if that gets so far.
    this.#mayWork.promise.catch(() => {});
    const { engineStartTimeoutMs, engineHangTimeoutMs } = this.#context.limits;
    const send = (message: ToEngine) => this.#engine.send(message);
    this.#desk = new JobDesk(this.#context, {
      maxSequences: engine.maxSequences,
      send,
      onSubmit: onSubmit ?? (() => {}),
      onRoomChanged: () => this.#places?.changed(),
    });
    this.#rescue = new Rescue(this.#context, this.#desk);
    this.#leases = new LeaseKeeper(
      this.#context,
      () => this.#desk.runs(),
      (run) => this.#desk.lose(run),
    );
    this.#engine = new EngineSupervisor(
      engine,
      { startTimeoutMs: engineStartTimeoutMs, hangTimeoutMs: engineHangTimeoutMs },
      {
        onLoading,
        onReady: (info) => void this.#engineReady(info),
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
    const { limits, clock, log } = this.#context;
    await this.#consume();
    if (this.#registry !== undefined) {
      this.#heartbeat = new Heartbeat(
        this.#registry,
        () => this.#report(),
        (wish) => this.#obey(wish),
        async () => {
          this.#refuseIf((await this.#agreement?.confirm()) ?? null);
        },
        log,
      );
    }
    await this.#openPlaces();
    await this.#sweep(clock.now());
    this.#rescueTimer = setInterval(() => this.#lookForLapsed(), limits.leaseTtlMs / rescuesPerLease);
    this.#sweepTimer = setInterval(() => {
      // Rejects only when the worker stops.
      this.#sweep(clock.now() - settlingMs).catch(() => {});
    }, limits.sweepIntervalMs);
    await ready;
    await this.#mayWork.promise;
    void this.#heartbeat?.beat();
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.#desk.stopTaking();
    // What waits here is somebody else's now.
    this.#consuming.abort();
    void this.#heartbeat?.beat();
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
    clearInterval(this.#rescueTimer);
    this.#desk.handOverAll();
    // What is being claimed, ended or handed over is a few writes from its end.
    await this.#desk.whenIdle(this.#context.limits.settleTimeoutMs);
    this.#consuming.abort();
    this.#stopping.abort(new Error('the worker stops'));
    this.#leases.close();
    this.#desk.close();
    await Promise.all([this.#engine.stop(), this.#heartbeat?.close(), this.#places?.close()]);
  }

  stats(): WorkerStats {
    return {
      ready: this.#engine.info !== null && this.#works && !this.#draining && this.#wish === 'run',
      queuedJobs: this.#desk.queuedJobs,
      runningJobs: this.#desk.runCount,
      tokensPerSecond: this.#desk.throughput.tokensPerSecond,
      jobsPerSecond: this.#desk.throughput.jobsPerSecond,
      engine: this.#engine.info,
      enginePid: this.#engine.pid,
    };
  }

  /** Gives the engine work, if it computes what the others' engines do. */
  async #engineReady(info: ModelBackendInfo): Promise<void> {
    try {
      if (this.#agreement !== undefined && this.#refuseIf(await this.#agreement.seek(info))) return;
    } catch (error) {
      // The model's files cannot be read, or the worker stops.
      this.#refuseIf(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#works = true;
    // It may have crashed meanwhile.
    if (this.#engine.info === info) this.#desk.engineReady(info);
    this.#mayWork.resolve();
  }

  /** Gives back what it has and takes no more, for this reason if there is one. */
  #refuseIf(reason: string | null): boolean {
    if (reason === null) return false;
    this.#mayWork.reject(new Error(reason));
    if (this.#draining) return true;
    this.#context.log.error({ reason }, 'this worker takes no work');
    this.#draining = true;
    this.#desk.handOverAll();
    this.#consuming.abort();
    return true;
  }

  #report(): WorkerReport {
    const { ready, queuedJobs, runningJobs, tokensPerSecond, jobsPerSecond, engine } = this.stats();
    return {
      id: this.#context.workerId,
      host: hostname(),
      pid: process.pid,
      startedAt: this.#startedAt,
      model: this.#model,
      engine: engine && `${engine.name} on ${engine.device}`,
      ready,
      draining: this.#draining || this.#wish === 'drain',
      queuedJobs,
      runningJobs,
      tokensPerSecond,
      jobsPerSecond,
    };
  }

  async #openPlaces(): Promise<void> {
    const handoff = this.#handoff;
    if (handoff === undefined) return;
    this.#places = await persist(this.#context, 'offer places', () =>
      PlaceKeeper.open(this.#context, handoff, this.#desk),
    );
  }

  #consume(): Promise<void> {
    const { workerId, ports } = this.#context;
    const { signal } = this.#consuming;
    return persist(this.#context, 'consume', () =>
      ports.jobBus.consume({
        workerId,
        onDelivery: (delivery) => this.#desk.deliver(delivery),
        onTakenBack: (delivery) => this.#desk.takeBack(delivery),
        onCancel: (key) => this.#desk.cancel(key),
        signal,
      }),
    );
  }

  /** Rests or works again, as an operator asks. Resting, it finishes what runs and leaves to others what waits. */
  #obey(wish: WorkerWish): void {
    if (wish === this.#wish || this.#draining) return;
    this.#wish = wish;
    this.#context.log.info({ wish }, 'an operator asked');
    if (wish === 'drain') {
      this.#desk.stopTaking();
      this.#consuming.abort();
      this.#consuming = new AbortController();
    } else {
      this.#desk.takeAgain();
      // Rejects only when the worker stops.
      this.#consume().catch(() => {});
    }
    void this.#heartbeat?.beat();
  }

  #lookForLapsed(): void {
    if (this.#draining || this.#wish === 'drain' || this.#engine.info === null) return;
    // Rejects only when the worker stops.
    this.#rescue.look().catch(() => {});
  }

  #sweep(createdBefore: number): Promise<void> {
    return publishOrphans(this.#context, createdBefore, (key) => this.#desk.knows(key));
  }
}
