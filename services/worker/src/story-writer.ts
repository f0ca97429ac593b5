/**
 * Writes what running jobs have to tell into their streams. New text of all jobs is appended together: at once when a job shows its first,
 * else at most every flush interval. Guarantees one append per job at a time, in order, and that an append whose answer was lost is never
 * repeated into a second copy. What `stale` means for the job is the caller's business.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NewJobEvent } from '@inkwell/contracts';
import { withDeadline } from '@inkwell/resilience';
import type { WorkerContext } from './context.ts';
import type { JobRun, WriteResult } from './job-run.ts';
import { persist, tryTimeoutMs } from './persist.ts';

const pauseAfterFailureMs = 100;

export class StoryWriter {
  readonly #context: WorkerContext;
  readonly #onStale: (run: JobRun) => void;
  /** Those with `dirty` set. */
  #dirty: JobRun[] = [];
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #urgent = false;
  #lastFlushAt = Number.NEGATIVE_INFINITY;

  /** @param onStale called when a running job turned out to be another writer's */
  constructor(context: WorkerContext, onStale: (run: JobRun) => void) {
    this.#context = context;
    this.#onStale = onStale;
  }

  /** The job has something pending: see to it that it is written soon. */
  touch(run: JobRun): void {
    if (!run.pending.ready) return;
    if (!run.dirty) {
      run.dirty = true;
      this.#dirty.push(run);
    }
    this.#schedule(run.story.length === 0);
  }

  /**
   * Appends what `build` makes, after whatever is being appended.
   * @param build called when its turn comes; no events write nothing and answer `ok`
   * @param append how to; a step that appends and does more
   */
  write(
    run: JobRun,
    build: () => NewJobEvent[],
    append = (events: NewJobEvent[]) => this.#append(run, events),
  ): Promise<WriteResult> {
    const previous = run.lastWrite;
    run.writing = true;
    const write = (async () => {
      const before = await previous;
      if (before !== 'ok') return before;
      const events = build();
      const result = events.length === 0 ? 'ok' : await append(events);
      if (result === 'ok') run.seq += events.length;
      if (result === 'stale') this.#context.metrics.staleWrites.inc();
      return result;
    })();
    run.lastWrite = write;
    void write.then((result) => {
      if (run.lastWrite !== write) return;
      run.writing = false;
      // What came meanwhile was passed over.
      if (result === 'ok' && run.phase === 'running') this.touch(run);
    });
    return write;
  }

  /** Appends what is pending now; with `all`, also tokens that have no text yet. */
  writePending(run: JobRun, all: boolean): Promise<WriteResult> {
    return this.write(run, () => takePending(run, this.#context.clock.now(), all));
  }

  #schedule(urgent: boolean): void {
    if (this.#timer !== undefined && (this.#urgent || !urgent)) return;
    clearTimeout(this.#timer as NodeJS.Timeout | undefined);
    const waitMs = this.#lastFlushAt + this.#context.limits.flushIntervalMs - performance.now();
    this.#urgent = urgent || waitMs <= 0;
    // Even the urgent wait until the turn's end, so that all jobs of one engine step are written together.
    this.#timer = this.#urgent ? setImmediate(() => this.#flush()) : setTimeout(() => this.#flush(), waitMs);
  }

  #flush(): void {
    this.#timer = undefined;
    this.#urgent = false;
    this.#lastFlushAt = performance.now();
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const run of dirty) {
      run.dirty = false;
      // One that is being written is looked at again when that is done.
      if (run.phase === 'running' && !run.writing) void this.#flushRun(run);
    }
  }

  async #flushRun(run: JobRun): Promise<void> {
    const result = await this.writePending(run, false);
    if (result === 'stale' && run.phase === 'running') this.#onStale(run);
  }

  async #append(run: JobRun, events: NewJobEvent[]): Promise<WriteResult> {
    const { ports, log, signal } = this.#context;
    for (let tries = 1; ; tries++) {
      if (signal.aborted) return 'stopped';
      try {
        const append = ports.resultStream.append(run.key, run.fence, run.seq, events);
        const result = await withDeadline(append, 'append', tryTimeoutMs);
        // An earlier try may have been done after all, later than it was looked for.
        if (result === 'ok' || tries === 1) return result;
        return (await this.#arrived(run, events)) ? 'ok' : 'stale';
      } catch (error) {
        if (signal.aborted) return 'stopped';
        log.warn({ err: error, job: run.key }, 'an append failed and is tried again');
      }
      try {
        await new Promise((resolve) => setTimeout(resolve, pauseAfterFailureMs));
        if (await this.#arrived(run, events)) return 'ok';
      } catch {
        return 'stopped';
      }
    }
  }

  /** Whether an append without an answer was done all the same. */
  async #arrived(run: JobRun, events: NewJobEvent[]): Promise<boolean> {
    const last = await persist(this.#context, 'last event', () => this.#context.ports.resultStream.last(run.key));
    const expected = { ...events.at(-1), seq: run.seq + events.length };
    return last !== undefined && isDeepStrictEqual({ ...last }, expected);
  }
}

/** Takes what is pending, and remembers it as part of the story. */
export function takePending(run: JobRun, at: number, all: boolean): NewJobEvent[] {
  const events = run.pending.take(at, all);
  for (const event of events) if (event.type === 'job.delta') run.story.push(event);
  return events;
}
