/**
 * The jobs inside the engine process: what fits, what was submitted, and what becomes of them when the engine crashes. Every job continues
 * exactly in the next engine. Who showed no progress before a crash is a suspect: suspects run alone, one after the other, until they show
 * progress, so a job that kills engines is found by its own crashes and the innocent beside it are never blamed twice in a row.
 */
import type { JobKey, JobMessage } from '@inkwell/contracts';
import type { EngineLoad, JobStep } from '@inkwell/engine';
import type { ModelBackendInfo } from '@inkwell/ports';
import { TurnoverMap } from '@inkwell/resilience';
import type { FromEngine, ToEngine } from './engine-process/protocol.ts';
import { JobRun } from './job-run.ts';
import type { Waiting } from './waiting-room.ts';

export interface EngineRoomEvents {
  send(message: ToEngine): void;
  onSubmit(run: JobRun): void;
  onStep(run: JobRun, step: JobStep): void;
  /** It crashed the engine too often, or can never run. */
  onGuilty(run: JobRun, reason: string): void;
  /** It goes on in another engine. */
  onRestart(run: JobRun): void;
}

/** What a job takes at its start. */
export interface Need {
  sequences: number;
  blocks: number;
}

interface Guest {
  readonly run: JobRun;
  readonly need: Need;
  /** Name of its submission to the engine that runs now; null while it waits for one. */
  submission: string | null;
  /** The engine has reported of it, so its blocks are counted in the reported load. */
  reported: boolean;
  /** Something was drawn since it was submitted. */
  progressed: boolean;
  /** Its sequences that have not ended, as they are counted. */
  live: number;
}

export class EngineRoom {
  readonly #events: EngineRoomEvents;
  readonly #maxSequences: number;
  readonly #maxFruitlessCrashes: number;
  readonly #guests = new TurnoverMap<JobKey, Guest>();
  readonly #submissions = new TurnoverMap<string, Guest>();
  #submissionCount = 0;
  /** Of all guests. Asked for far more often than it changes. */
  #liveSequences = 0;
  /** Of guests whose blocks are not in the reported load. */
  #unreportedBlocks = 0;
  #info: ModelBackendInfo | null = null;
  #load: EngineLoad = { runningSequences: 0, waitingSequences: 0, usedBlocks: 0 };
  /** The suspect that is alone in the engine. */
  #alone: Guest | null = null;

  constructor(events: EngineRoomEvents, maxSequences: number, maxFruitlessCrashes: number) {
    this.#events = events;
    this.#maxSequences = maxSequences;
    this.#maxFruitlessCrashes = maxFruitlessCrashes;
  }

  get size(): number {
    return this.#guests.size;
  }

  /** Part of the KV cache that is in use, 0 to 1. */
  get blocksInUse(): number {
    return this.#info === null ? 0 : this.#load.usedBlocks / this.#info.blockCount;
  }

  /** What a job needs to begin or go on. Before the first engine is ready only its sequences are known. */
  needOf(run: JobRun): Need {
    if (!run.hasRecord) return this.#needOfMessage(run.delivery.message);
    const blockSize = this.#blockSize;
    const { prompts, n, bestOf } = run.record.spec;
    let blocks = 0;
    prompts.forEach((prompt, promptIndex) => {
      for (let i = 0; i < bestOf; i++) {
        const drawn = run.ranked ? 0 : (run.tokens[promptIndex * n + i]?.length ?? 0);
        blocks += Math.ceil((prompt.length + drawn + 1) / blockSize);
      }
    });
    return { sequences: prompts.length * bestOf, blocks };
  }

  /** The same of a job that waits: asked far more often than one of them fits. */
  needOfWaiting({ delivery, record }: Waiting): Need {
    return record === undefined ? this.#needOfMessage(delivery.message) : this.needOf(new JobRun(delivery, record));
  }

  get #blockSize(): number {
    return this.#info?.blockSize ?? Number.POSITIVE_INFINITY;
  }

  /** Of a job that hasn't begun, whose record nobody has read: at most one block too many for each sequence. */
  #needOfMessage({ sequences = 1, promptTokens, costTokens }: JobMessage): Need {
    return { sequences, blocks: Math.ceil((promptTokens ?? costTokens) / this.#blockSize) + sequences };
  }

  /**
   * Whether the engine can start all of the job's sequences now, beside those `coming` that were promised room before. One block more per running
   * sequence: each will soon want one, and admitting into those only preempts.
   */
  hasRoomFor(need: Need, coming: Iterable<Need>): boolean {
    if (this.#info === null || this.#alone !== null) return false;
    const { sequences, blocks } = this.#takenWith(coming);
    if (sequences === 0) return true;
    return (
      sequences + need.sequences <= this.#maxSequences && blocks + need.blocks + sequences <= this.#info.blockCount
    );
  }

  /** How many sequences could begin now, each as long as the model allows, beside those `coming`. */
  placesBeside(coming: Iterable<Need>): number {
    if (this.#info === null || this.#alone !== null) return 0;
    const { sequences, blocks } = this.#takenWith(coming);
    const { blockCount, blockSize, contextLength } = this.#info;
    const longest = Math.ceil(contextLength / blockSize) + 1;
    const texts = Math.floor((blockCount - blocks - sequences) / longest);
    return Math.max(0, Math.min(this.#maxSequences - sequences, texts));
  }

  #takenWith(coming: Iterable<Need>): Need {
    let sequences = this.#liveSequences;
    let blocks = this.#load.usedBlocks + this.#unreportedBlocks;
    for (const other of coming) {
      sequences += other.sequences;
      blocks += other.blocks;
    }
    return { sequences, blocks };
  }

  enter(run: JobRun): void {
    const need = this.needOf(run);
    const guest: Guest = { run, need, submission: null, reported: false, progressed: false, live: 0 };
    this.#guests.set(run.key, guest);
    this.#unreportedBlocks += need.blocks;
    this.#countLive(guest);
    if (this.#info !== null && this.#alone === null) this.#submit(guest);
  }

  /** Drops a job: its slot is free within one step. Jobs that are not here are passed over. */
  leave(run: JobRun): void {
    const guest = this.#guests.get(run.key);
    if (guest?.run !== run) return;
    this.#withdraw(guest);
    this.#remove(guest);
    if (this.#alone === guest) this.#resume();
  }

  engineReady(info: ModelBackendInfo): void {
    this.#info = info;
    this.#resume();
  }

  engineStepped({ report }: Extract<FromEngine, { type: 'step' }>): void {
    this.#load = report.load;
    for (const step of report.jobs) {
      const guest = this.#submissions.get(step.id);
      if (guest === undefined) continue;
      this.#setReported(guest, true);
      if (step.deltas.length > 0) this.#progress(guest);
      if (step.usage !== null || step.error !== null) this.#forget(guest);
      this.#events.onStep(guest.run, step);
      this.#countLive(guest);
    }
  }

  engineRefused(submission: string, message: string): void {
    const guest = this.#submissions.get(submission);
    if (guest === undefined) return;
    this.leave(guest.run);
    this.#events.onGuilty(guest.run, message);
  }

  engineCrashed(reason: string): void {
    this.#info = null;
    this.#alone = null;
    this.#load = { runningSequences: 0, waitingSequences: 0, usedBlocks: 0 };
    for (const guest of [...this.#guests.values()]) {
      if (guest.submission === null) continue;
      this.#forget(guest);
      this.#setReported(guest, false);
      if (!guest.progressed) guest.run.fruitlessCrashes++;
      if (guest.run.fruitlessCrashes >= this.#maxFruitlessCrashes) {
        this.#remove(guest);
        this.#events.onGuilty(guest.run, `the engine crashed ${guest.run.fruitlessCrashes} times on it: ${reason}`);
      } else {
        this.#events.onRestart(guest.run);
      }
    }
  }

  /** Submits what waits: a suspect alone if there is one, else everything. */
  #resume(): void {
    this.#alone = null;
    if (this.#info === null) return;
    const waiting = [...this.#guests.values()].filter((guest) => guest.submission === null);
    const suspect = waiting.find((guest) => guest.run.fruitlessCrashes > 0);
    if (suspect !== undefined) {
      this.#alone = suspect;
      this.#submit(suspect);
    } else {
      for (const guest of waiting) this.#submit(guest);
    }
  }

  #progress(guest: Guest): void {
    guest.progressed = true;
    guest.run.fruitlessCrashes = 0;
    if (this.#alone !== guest || this.#guests.size === 1) {
      if (this.#alone === guest) this.#alone = null;
      return;
    }
    // Cleared. It makes way for the next suspect and comes back, where it left off, together with all others.
    queueMicrotask(() => {
      if (this.#alone !== guest) return;
      this.#withdraw(guest);
      this.#resume();
    });
  }

  #submit(guest: Guest): void {
    const { run } = guest;
    guest.submission = `${this.#submissionCount++}`;
    guest.progressed = false;
    this.#setReported(guest, false);
    this.#submissions.set(guest.submission, guest);
    const delivered = run.ranked ? [] : run.tokens;
    const { spec, tenant } = run.record;
    this.#events.send({ type: 'submit', run: guest.submission, spec, delivered, scope: tenant });
    this.#events.onSubmit(run);
  }

  #setReported(guest: Guest, reported: boolean): void {
    if (guest.reported === reported) return;
    guest.reported = reported;
    this.#unreportedBlocks += reported ? -guest.need.blocks : guest.need.blocks;
  }

  /** To be called when choices of it may have ended. */
  #countLive(guest: Guest): void {
    if (this.#guests.get(guest.run.key) !== guest) return;
    const live = liveSequences(guest);
    this.#liveSequences += live - guest.live;
    guest.live = live;
  }

  #remove(guest: Guest): void {
    this.#guests.delete(guest.run.key);
    this.#liveSequences -= guest.live;
    if (!guest.reported) this.#unreportedBlocks -= guest.need.blocks;
  }

  #withdraw(guest: Guest): void {
    if (guest.submission === null) return;
    this.#events.send({ type: 'abort', run: guest.submission });
    this.#forget(guest);
  }

  /** The engine knows its submission no longer. */
  #forget(guest: Guest): void {
    if (guest.submission !== null) this.#submissions.delete(guest.submission);
    guest.submission = null;
  }
}

/** Sequences that have not ended: with candidates to compare all of them, till the end. */
function liveSequences({ run, need }: Guest): number {
  return need.sequences - run.endedChoices;
}
