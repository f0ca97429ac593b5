/**
 * The worker: takes jobs from the bus in fair order, keeps the engine filled but not over-full, writes what it draws and ends jobs. Promises
 * that no acknowledged job is lost, that a job has one story with one end whatever dies, and that a job it continues continues exactly. It
 * knows ports only; which technologies lie behind them is composed by its caller.
 */
import { randomUUID } from 'node:crypto';
import { InkwellError, type JobKey, toJobMessage } from '@inkwell/contracts';
import type { JobStep } from '@inkwell/engine';
import type { Logger, Metrics } from '@inkwell/observability';
import type { Clock, Delivery, ModelBackendInfo } from '@inkwell/ports';
import { claimJob, giveUp, isLate } from './claim-job.ts';
import { defaultWorkerLimits, type WorkerContext, type WorkerLimits, type WorkerPorts } from './context.ts';
import { DeadlineTimers } from './deadline-timers.ts';
import { EngineSupervisor } from './engine-process/engine-supervisor.ts';
import type { EngineConfig, FromEngine } from './engine-process/protocol.ts';
import { EngineRoom, type Need } from './engine-room.ts';
import { finishJob, settleUnowned } from './finish-job.ts';
import { JobRun } from './job-run.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { persist } from './persist.ts';
import { StoryWriter } from './story-writer.ts';
import { Throughput } from './throughput.ts';
import { WaitingRoom } from './waiting-room.ts';

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

const sweepLimit = 10_000;
/** A job this young is still being published by who accepted it. */
const sweepGraceMs = 10_000;

class JobWorker implements Worker {
  readonly #stopping = new AbortController();
  readonly #consuming = new AbortController();
  readonly #context: WorkerContext;
  readonly #waiting: WaitingRoom;
  readonly #runs = new Map<JobKey, JobRun>();
  /** What jobs that are being claimed will need. */
  readonly #coming = new Map<JobRun, Need>();
  readonly #deadlines: DeadlineTimers<JobKey>;
  readonly #late: JobKey[] = [];
  #expiring = 0;
  readonly #writer: StoryWriter;
  readonly #engine: EngineSupervisor;
  readonly #room: EngineRoom;
  readonly #leases: LeaseKeeper;
  readonly #throughput = new Throughput();
  #busySince = 0;
  #pumping = false;
  #pumpAgain = false;
  #draining = false;
  #leaving = false;
  #onIdle: () => void = () => {};
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor({ ports, engine, log, metrics, clock, limits, workerId, onSubmit = () => {} }: WorkerOptions) {
    this.#context = {
      workerId: workerId ?? `worker-${randomUUID().slice(0, 8)}`,
      ports,
      limits: { ...defaultWorkerLimits, ...limits },
      clock,
      log,
      metrics,
      signal: this.#stopping.signal,
    };
    const { quantumTokens, maxFruitlessCrashes, engineStartTimeoutMs, engineHangTimeoutMs } = this.#context.limits;
    this.#waiting = new WaitingRoom(quantumTokens, metrics);
    this.#deadlines = new DeadlineTimers(clock, (key) => this.#onDeadline(key));
    this.#writer = new StoryWriter(this.#context, (run) => this.#lose(run));
    this.#leases = new LeaseKeeper(
      this.#context,
      () => this.#runs.values(),
      (run) => this.#lose(run),
    );
    this.#room = new EngineRoom(
      {
        send: (message) => this.#engine.send(message),
        onSubmit: (run) => onSubmit(run.key),
        onStep: (run, step) => this.#onStep(run, step),
        onGuilty: (run, reason) => this.#end(run, giveUp(this.#context, this.#writer, run, reason)),
        onRestart: (run) => this.#onRestart(run),
      },
      engine.maxSequences,
      maxFruitlessCrashes,
    );
    this.#engine = new EngineSupervisor(
      engine,
      { startTimeoutMs: engineStartTimeoutMs, hangTimeoutMs: engineHangTimeoutMs },
      {
        onReady: (info) => this.#onEngineReady(info),
        onStep: (message) => this.#onEngineStep(message),
        onRefused: (submission, message) => this.#room.engineRefused(submission, message),
        onCrash: (reason) => this.#onEngineCrash(reason),
      },
      log,
    );
  }

  async start(): Promise<void> {
    const ready = this.#engine.start();
    // Also while the model is being loaded deadlines pass and cancels come.
    ready.catch(() => {});
    const { workerId } = this.#context;
    await persist(this.#context, 'consume', () =>
      this.#context.ports.jobBus.consume({
        workerId,
        onDelivery: (delivery) => this.#onDelivery(delivery),
        onCancel: (key) => this.#onCancel(key),
        signal: this.#consuming.signal,
      }),
    );
    await this.#sweep(this.#context.clock.now());
    this.#sweepTimer = setInterval(
      () => this.#run('sweep', this.#sweep(this.#context.clock.now() - sweepGraceMs)),
      this.#context.limits.sweepIntervalMs,
    );
    await ready;
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    await this.#idle(timeoutMs);
    await this.stop();
  }

  async stop(): Promise<void> {
    if (this.#leaving) return;
    this.#draining = true;
    this.#leaving = true;
    clearInterval(this.#sweepTimer);
    for (const run of this.#runs.values()) this.#run('hand over', this.#handOver(run));
    // What is being claimed, ended or handed over is a few writes from its end.
    await this.#idle(this.#context.limits.settleTimeoutMs);
    this.#consuming.abort();
    this.#stopping.abort(new Error('the worker stops'));
    this.#leases.close();
    this.#deadlines.close();
    await this.#engine.stop();
  }

  /** Resolves when no job is left here, or after the timeout. */
  async #idle(timeoutMs: number): Promise<void> {
    if (this.#runs.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  stats(): WorkerStats {
    return {
      ready: this.#engine.info !== null && !this.#draining,
      queuedJobs: this.#waiting.size,
      runningJobs: this.#runs.size,
      tokensPerSecond: this.#throughput.tokensPerSecond,
      jobsPerSecond: this.#throughput.jobsPerSecond,
      engine: this.#engine.info,
      enginePid: this.#engine.pid,
    };
  }

  // Deliveries and what becomes of them

  #onDelivery(delivery: Delivery): void {
    const { key, deadlineAt } = delivery.message;
    const run = this.#runs.get(key);
    if (run !== undefined) {
      run.delivery = delivery;
      return;
    }
    this.#waiting.push(delivery);
    if (deadlineAt !== null) this.#deadlines.set(key, deadlineAt);
    this.#pump();
  }

  /** The cancelling writer has ended the job: drop it now. Should it have died half-way, the redelivery repairs that. */
  #onCancel(key: JobKey): void {
    const waiting = this.#waiting.remove(key);
    if (waiting !== undefined) {
      this.#deadlines.delete(key);
      this.#run('settle', settleUnowned(this.#context, waiting, 'a cancel is under way'));
    }
    const run = this.#runs.get(key);
    if (run?.phase === 'running') this.#lose(run);
  }

  /** Another writer has the job: nothing more is written by us. */
  #lose(run: JobRun): void {
    if (run.phase !== 'running') return;
    this.#end(run, settleUnowned(this.#context, run.delivery, 'another writer has the job'));
  }

  #onDeadline(key: JobKey): void {
    const run = this.#runs.get(key);
    // One that is being claimed looks at its deadline itself.
    if (run?.phase === 'running') this.#expire(run);
    else if (this.#waiting.has(key)) {
      this.#late.push(key);
      this.#expireWaiting();
    }
  }

  #expire(run: JobRun): void {
    const error = new InkwellError('deadline_exceeded').toBody();
    this.#end(run, finishJob(this.#context, this.#writer, run, { state: 'expired', error }));
  }

  /** Ends late jobs that still wait, without the engine and a bounded number at a time. */
  #expireWaiting(): void {
    while (this.#expiring < this.#context.limits.maxExpiringAtOnce && !this.#draining) {
      const key = this.#late.shift();
      if (key === undefined) return;
      const delivery = this.#waiting.remove(key);
      if (delivery === undefined) continue;
      this.#expiring++;
      const claimed = this.#fetchRecord(delivery).then((record) => record && this.#claim(delivery, record));
      this.#run(
        'expire',
        claimed.finally(() => {
          this.#expiring--;
          this.#expireWaiting();
        }),
      );
    }
  }

  // From the queue into the engine

  /** Starts jobs in their order as long as the next one fits. One at a time looks; whoever comes meanwhile makes it look again. */
  #pump(): void {
    this.#pumpAgain = true;
    if (this.#pumping) return;
    this.#pumping = true;
    this.#run(
      'pump',
      this.#startJobs().finally(() => {
        this.#pumping = false;
        if (this.#pumpAgain && !this.#draining) this.#pump();
      }),
    );
  }

  async #startJobs(): Promise<void> {
    while (this.#pumpAgain && !this.#draining) {
      this.#pumpAgain = false;
      const next = this.#waiting.peek();
      if (next === undefined) return;
      if (next.record === null) {
        const record = await this.#fetchRecord(next.delivery);
        if (record === undefined) this.#waiting.remove(next.delivery.message.key);
        else next.record = record;
        this.#pumpAgain = true;
        continue;
      }
      const run = new JobRun(next.delivery, next.record);
      const need = this.#room.needOf(run);
      if (!this.#room.hasRoomFor(need, this.#coming.values())) continue;
      this.#waiting.take();
      this.#coming.set(run, need);
      this.#run('claim', this.#claimRun(run));
      this.#pumpAgain = true;
    }
  }

  /** Undefined, and the delivery is settled, when there is no such job. */
  async #fetchRecord(delivery: Delivery) {
    const { key, createdAt } = delivery.message;
    const record = await persist(this.#context, 'get', () => this.#context.ports.jobStore.get(key));
    if (record !== undefined) return record;
    // A store may show a new record a little late; one that is missing for long was removed.
    if (this.#context.clock.now() - createdAt > sweepGraceMs) await persist(this.#context, 'ack', () => delivery.ack());
    else await persist(this.#context, 'retry', () => delivery.retry('its record is not visible yet', 500));
    return undefined;
  }

  #claim(delivery: Delivery, record: JobRun['record']): Promise<void> {
    return this.#claimRun(new JobRun(delivery, record));
  }

  async #claimRun(run: JobRun): Promise<void> {
    if (this.#runs.size === 0) this.#busySince = performance.now();
    this.#runs.set(run.key, run);
    let ours = false;
    try {
      ours = await claimJob(this.#context, this.#writer, run);
    } finally {
      this.#coming.delete(run);
      if (!ours) this.#forget(run);
    }
    if (!ours) return;
    run.phase = 'running';
    if (this.#leaving) return this.#handOver(run);
    this.#room.enter(run);
    if (isLate(run, this.#context.clock.now())) this.#expire(run);
  }

  // What the engine says

  #onEngineReady(info: ModelBackendInfo): void {
    this.#room.engineReady(info);
    this.#pump();
  }

  #onEngineStep(message: Extract<FromEngine, { type: 'step' }>): void {
    const { metrics } = this.#context;
    const { report, durationMs } = message;
    const now = performance.now();
    this.#throughput.observe((now - this.#busySince) / 1000, { tokens: report.drawnTokens });
    this.#busySince = now;
    metrics.stepDuration.observe(durationMs / 1000);
    metrics.promptTokens.inc(report.promptTokens);
    metrics.generationTokens.inc(report.drawnTokens);
    this.#room.engineStepped(message);
    metrics.running.set(this.#room.size);
    metrics.kvCacheUsage.set(report.load.usedBlocks / (this.#engine.info?.blockCount ?? 1));
    this.#pump();
  }

  #onStep(run: JobRun, { deltas, usage, error }: JobStep): void {
    if (run.phase !== 'running') return;
    this.#observeTokens(run, deltas.length);
    for (const delta of deltas) {
      const tokens = run.tokens[delta.index]!;
      for (const token of delta.tokens) tokens.push(token);
      if (delta.finishReason !== null) run.endedChoices++;
      run.pending.add(delta);
    }
    if (usage !== null) {
      this.#throughput.observe(0, { jobs: 1 });
      this.#end(run, finishJob(this.#context, this.#writer, run, { state: 'completed', error: null, usage }));
    } else if (error !== null) this.#end(run, giveUp(this.#context, this.#writer, run, error));
    else this.#writer.touch(run);
  }

  #observeTokens(run: JobRun, tokens: number): void {
    if (tokens === 0) return;
    const { metrics, clock } = this.#context;
    const now = clock.now();
    if (run.lastTokenAt !== null) metrics.interTokenLatency.observe((now - run.lastTokenAt) / 1000);
    else if (run.story.length === 0) metrics.timeToFirstToken.observe((now - run.record.createdAt) / 1000);
    run.lastTokenAt = now;
  }

  #onEngineCrash(reason: string): void {
    this.#context.metrics.engineRestarts.inc();
    this.#room.engineCrashed(reason);
  }

  /** The job goes on in the next engine: one attempt more, told in its story; its text continues as if nothing had been. */
  #onRestart(run: JobRun): void {
    const { ports, clock, workerId } = this.#context;
    const attempts = run.record.attempts + 1;
    run.record = { ...run.record, attempts };
    run.pending.start({ type: 'job.started', at: clock.now(), attempt: attempts, worker: workerId });
    this.#writer.touch(run);
    this.#run(
      'count attempt',
      persist(this.#context, 'transition', () =>
        ports.jobStore.transition(run.key, ['in_progress'], 'in_progress', { attempts }, run.fence),
      ),
    );
  }

  // Leaving

  /** Takes a job out of the engine and forgets it once `work` has settled it. */
  #end(run: JobRun, work: Promise<void>): void {
    if (run.phase === 'running') run.phase = 'ending';
    this.#room.leave(run);
    this.#pump();
    this.#run(
      'end',
      work.finally(() => this.#forget(run)),
    );
  }

  #forget(run: JobRun): void {
    run.phase = 'over';
    if (this.#runs.get(run.key) === run) this.#runs.delete(run.key);
    this.#deadlines.delete(run.key);
    if (this.#runs.size === 0) this.#onIdle();
    this.#pump();
  }

  /** Writes what is drawn, then gives the lease back and leaves the delivery to the next worker. */
  async #handOver(run: JobRun): Promise<void> {
    if (run.phase !== 'running') return;
    this.#room.leave(run);
    const { ports, log } = this.#context;
    try {
      const written = await this.#writer.writePending(run, false);
      if (written === 'ok') await ports.lease.release(run.key, run.fence);
    } catch (error) {
      log.warn({ err: error, job: run.key }, 'a job could not be handed over; it goes on when its lease has run out');
    }
    this.#forget(run);
  }

  /** Publishes jobs that were accepted by a process that died before it could. */
  async #sweep(createdBefore: number): Promise<void> {
    const { ports } = this.#context;
    const records = await persist(this.#context, 'list unfinished', () =>
      ports.jobStore.listUnfinished(createdBefore, sweepLimit),
    );
    const unknown = records.filter((record) => !this.#waiting.has(record.key) && !this.#runs.has(record.key));
    await Promise.all(
      unknown.map((record) => persist(this.#context, 'publish', () => ports.jobBus.publish(toJobMessage(record)))),
    );
  }

  /** Work nobody waits for: what still fails when the worker stops is left to a redelivery, anything else is a mistake of ours. */
  #run(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#stopping.signal.aborted)
        this.#context.log.error({ err: error, what }, 'unexpected error in the worker');
    });
  }
}
