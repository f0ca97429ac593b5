/**
 * The jobs this worker has, from delivery to settlement: they wait in fair order, are started as the engine has room, told of in their
 * streams as it draws, and ended exactly once. Knows no process: the engine is somebody to send messages to and to hear from.
 */
import { InkwellError, type JobKey, type JobRecord } from '@inkwell/contracts';
import type { JobStep } from '@inkwell/engine';
import type { Delivery, HandedJob, ModelBackendInfo } from '@inkwell/ports';
import { TurnoverMap } from '@inkwell/resilience';
import { BoundedWork } from './bounded-work.ts';
import { type Claim, claimJob, giveUp, isLate, writeStart } from './claim-job.ts';
import type { WorkerContext } from './context.ts';
import { DeadlineTimers } from './deadline-timers.ts';
import type { FromEngine, ToEngine } from './engine-process/protocol.ts';
import { EngineRoom, type Need } from './engine-room.ts';
import { finishJob, settleUnowned } from './finish-job.ts';
import { JobRun } from './job-run.ts';
import { persist } from './persist.ts';
import { StoryWriter } from './story-writer.ts';
import type { Throughput } from './throughput.ts';
import { WaitingRoom } from './waiting-room.ts';
import { WorkObserver } from './work-observer.ts';

export interface JobDeskOptions {
  /** Most sequences the engine runs at once. */
  maxSequences: number;
  /** Sends to the engine that runs now; what is sent while there is none is lost. */
  send(message: ToEngine): void;
  onSubmit(key: JobKey): void;
  /** There may be more or fewer `freePlaces`. */
  onRoomChanged(): void;
}

/** Jobs that have left the engine and whose end is not told yet: seconds of work at full speed. */
const mostEnding = 2_000;

export class JobDesk {
  readonly #context: WorkerContext;
  readonly #onRoomChanged: () => void;
  readonly #waiting: WaitingRoom;
  readonly #runs = new TurnoverMap<JobKey, JobRun>();
  /** What jobs that are being claimed will need. */
  readonly #coming = new Map<JobRun, Need>();
  readonly #deadlines: DeadlineTimers<JobKey>;
  /** Jobs that wait and whose deadline has passed: they are ended without the engine. */
  readonly #late: BoundedWork<JobKey>;
  readonly #writer: StoryWriter;
  readonly #room: EngineRoom;
  readonly #observer: WorkObserver;
  #draining = false;
  #leaving = false;
  #onIdle: () => void = () => {};

  constructor(context: WorkerContext, { maxSequences, send, onSubmit, onRoomChanged }: JobDeskOptions) {
    const { limits, clock, metrics } = context;
    this.#context = context;
    this.#onRoomChanged = onRoomChanged;
    this.#observer = new WorkObserver(context);
    this.#waiting = new WaitingRoom(limits.quantumTokens, metrics);
    this.#deadlines = new DeadlineTimers(clock, (key) => this.#onDeadline(key));
    this.#late = new BoundedWork(limits.maxExpiringAtOnce, (key) => this.#run('expire', this.#expireWaiting(key)));
    this.#writer = new StoryWriter(context, (run) => this.lose(run));
    this.#room = new EngineRoom(
      {
        send,
        onSubmit: (run) => onSubmit(run.key),
        onStep: (run, step) => this.#onStep(run, step),
        onGuilty: (run, reason) => this.#end(run, giveUp(context, this.#writer, run, reason)),
        onRestart: (run) => this.#onRestart(run),
      },
      maxSequences,
      limits.maxFruitlessCrashes,
    );
    metrics.running.sampled((gauge) => gauge.set(this.#room.size));
    metrics.kvCacheUsage.sampled((gauge) => gauge.set(this.#room.blocksInUse));
  }

  get throughput(): Throughput {
    return this.#observer.throughput;
  }

  get queuedJobs(): number {
    return this.#waiting.size;
  }

  /** Sequences that could begin now although nobody has waited for their turn: none while others wait, or while too many ends cannot be told. */
  get freePlaces(): number {
    const ending = this.#runs.size - this.#room.size;
    if (this.#draining || this.#waiting.size > 0 || ending > mostEnding) return 0;
    return this.#room.placesBeside(this.#coming.values());
  }

  get runCount(): number {
    return this.#runs.size;
  }

  runs(): Iterable<JobRun> {
    return this.#runs.values();
  }

  knows(key: JobKey): boolean {
    return this.#runs.has(key) || this.#waiting.has(key);
  }

  /** Starts no more jobs. */
  stopTaking(): void {
    this.#draining = true;
    this.#late.clear();
    this.#onRoomChanged();
  }

  /** Starts jobs again after `stopTaking`. */
  takeAgain(): void {
    if (this.#leaving) return;
    this.#draining = false;
    this.#pump();
  }

  /** Gives up what runs, to be continued elsewhere. `whenIdle` tells when that is done. */
  handOverAll(): void {
    this.stopTaking();
    this.#leaving = true;
    for (const run of this.runs()) void this.#run('hand over', this.#handOver(run));
  }

  close(): void {
    this.#deadlines.close();
  }

  /** Resolves when no job is left here, or after the timeout. */
  async whenIdle(timeoutMs: number): Promise<void> {
    if (this.#runs.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  // Deliveries and what becomes of them

  deliver(delivery: Delivery): void {
    const { key, deadlineAt } = delivery.message;
    const run = this.#runs.get(key);
    if (run !== undefined) {
      run.delivery = delivery;
      run.deliveredAgain = true;
      run.handed = false;
      return;
    }
    this.#waiting.push(delivery);
    if (deadlineAt !== null) this.#deadlines.set(key, deadlineAt);
    this.#pump();
  }

  /** Runs a job that is ours since it was accepted. */
  receive({ record, fence }: HandedJob, delivery: Delivery): void {
    const run = new JobRun(delivery, record);
    run.handed = true;
    run.leased(fence);
    run.seq = 2;
    run.phase = 'running';
    this.#take(run);
    if (this.#leaving) return void this.#run('hand over', this.#handOver(run));
    if (record.deadlineAt !== null) this.#deadlines.set(run.key, record.deadlineAt);
    this.#context.metrics.queueTime.observe(0);
    if (isLate(run, this.#context.clock.now())) this.#expire(run);
    else this.#room.enter(run);
    this.#onRoomChanged();
  }

  /** Takes over a job whose worker died, before all that waits. */
  continueInterrupted(delivery: Delivery, record: JobRecord): void {
    if (this.#draining) return;
    this.#waiting.pushInterrupted(delivery, record);
    if (record.deadlineAt !== null) this.#deadlines.set(record.key, record.deadlineAt);
    this.#pump();
  }

  /** Another consumer has the delivery. A job that runs goes on under its lease; one that waits is the other's. */
  takeBack(delivery: Delivery): void {
    const { key } = delivery.message;
    if (this.#waiting.get(key) !== delivery) return;
    this.#waiting.remove(key);
    this.#deadlines.delete(key);
  }

  /** The cancelling writer has ended the job: drop it now. Should it have died half-way, the redelivery repairs that. */
  cancel(key: JobKey): void {
    const waiting = this.#waiting.remove(key);
    if (waiting !== undefined) {
      this.#deadlines.delete(key);
      void this.#run('settle', settleUnowned(this.#context, waiting, 'a cancel is under way'));
    }
    const run = this.#runs.get(key);
    if (run?.phase === 'running') this.lose(run);
  }

  /** Another writer has the job: nothing more is written by us. */
  lose(run: JobRun): void {
    if (run.phase !== 'running') return;
    this.#end(run, settleUnowned(this.#context, run.delivery, 'another writer has the job'));
  }

  #onDeadline(key: JobKey): void {
    const run = this.#runs.get(key);
    // One that is being claimed looks at its deadline itself.
    if (run?.phase === 'running') this.#expire(run);
    else if (this.#waiting.has(key)) this.#late.add(key);
  }

  #expire(run: JobRun): void {
    const error = new InkwellError('deadline_exceeded').toBody();
    this.#end(run, finishJob(this.#context, this.#writer, run, { state: 'expired', error }));
  }

  async #expireWaiting(key: JobKey): Promise<void> {
    const delivery = this.#waiting.remove(key);
    if (delivery === undefined) return;
    await this.#start(new JobRun(delivery));
  }

  // From the queue into the engine

  /** Starts jobs in their order as long as the next one fits. */
  #pump(): void {
    this.#onRoomChanged();
    while (!this.#draining) {
      const next = this.#waiting.peek();
      if (next === undefined) return;
      const need = this.#room.needOfWaiting(next);
      if (!this.#room.hasRoomFor(need, this.#coming.values())) return;
      const run = new JobRun(next.delivery, next.record);
      this.#waiting.take();
      this.#coming.set(run, need);
      void this.#run('start', this.#start(run));
    }
  }

  #take(run: JobRun): void {
    if (this.#runs.size === 0) this.#observer.busy();
    this.#runs.set(run.key, run);
  }

  /** Claims a job and gives it to the engine, or sees to its end if that is due. */
  async #start(run: JobRun): Promise<void> {
    this.#take(run);
    let claim: Claim = 'settled';
    try {
      claim = await claimJob(this.#context, this.#writer, run);
    } finally {
      this.#coming.delete(run);
      if (claim === 'settled') this.#forget(run);
    }
    if (claim === 'settled') return;
    run.phase = 'running';
    if (this.#leaving) return this.#handOver(run);
    const started = claim === 'start' ? writeStart(this.#context, this.#writer, run) : 'ok';
    this.#room.enter(run);
    if ((await started) === 'lost') this.lose(run);
    else if (run.phase === 'running' && isLate(run, this.#context.clock.now())) this.#expire(run);
  }

  // What the engine says

  engineReady(info: ModelBackendInfo): void {
    this.#room.engineReady(info);
    this.#pump();
  }

  engineStepped(message: Extract<FromEngine, { type: 'step' }>): void {
    this.#observer.stepped(message);
    this.#room.engineStepped(message);
    this.#pump();
  }

  #onStep(run: JobRun, { deltas, usage, error }: JobStep): void {
    if (run.phase !== 'running') return;
    if (deltas.length > 0) this.#observer.drew(run);
    for (const delta of deltas) {
      const tokens = run.tokens[delta.index]!;
      for (const token of delta.tokens) tokens.push(token);
      if (delta.finishReason !== null) run.endedChoices++;
      if (delta.filteredBy !== undefined) this.#observer.filtered(delta.filteredBy);
      run.pending.add(delta);
    }
    if (usage !== null) {
      this.#observer.completed();
      this.#end(run, finishJob(this.#context, this.#writer, run, { state: 'completed', error: null, usage }));
    } else if (error !== null) this.#end(run, giveUp(this.#context, this.#writer, run, error));
    else this.#writer.touch(run);
  }

  engineRefused(submission: string, message: string): void {
    this.#room.engineRefused(submission, message);
  }

  engineCrashed(reason: string): void {
    this.#context.metrics.engineRestarts.inc();
    this.#room.engineCrashed(reason);
    this.#onRoomChanged();
  }

  /** The job goes on in the next engine: one attempt more, told in its story; its text continues as if nothing had been. */
  #onRestart(run: JobRun): void {
    const { ports, clock, workerId } = this.#context;
    const attempts = run.record.attempts + 1;
    run.record = { ...run.record, attempts };
    run.pending.start({ type: 'job.started', at: clock.now(), attempt: attempts, worker: workerId });
    this.#writer.touch(run);
    void this.#run(
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
    void this.#run(
      'end',
      work.finally(() => this.#forget(run)),
    );
  }

  #forget(run: JobRun): void {
    run.phase = 'over';
    if (this.#runs.get(run.key) === run) this.#runs.delete(run.key);
    this.#deadlines.delete(run.key);
    if (this.#runs.size === 0) this.#onIdle();
    if (run.deliveredAgain) this.deliver(run.delivery);
    this.#pump();
  }

  /** Writes what is drawn, then gives the lease back and leaves the delivery to the next worker; one that the bus never had is given to it first. */
  async #handOver(run: JobRun): Promise<void> {
    if (run.phase !== 'running') return;
    this.#room.leave(run);
    const { ports, log } = this.#context;
    try {
      const written = await this.#writer.writePending(run, false);
      if (written === 'ok') {
        if (run.handed) await ports.jobBus.publish(run.delivery.message);
        await ports.lease.release(run.key, run.fence);
      }
    } catch (error) {
      log.warn({ err: error, job: run.key }, 'a job could not be handed over; it goes on when its lease has run out');
    }
    this.#forget(run);
  }

  /** Work nobody waits for: what still fails when the worker stops is left to a redelivery, anything else is a mistake of ours. */
  async #run(what: string, work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => {
      if (!this.#context.signal.aborted)
        this.#context.log.error({ err: error, what }, 'unexpected error in the worker');
    });
  }
}
