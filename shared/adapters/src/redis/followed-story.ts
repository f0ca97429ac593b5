/**
 * A story that is followed in this process: how far it has gone, and its latest events for followers who keep up. Those who lag read pages,
 * once for all who are at the same place.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import type { Story } from '../subscription.ts';

/** Most events kept for followers who keep up. */
const mostKept = 64;

const nothing: readonly JobEvent[] = [];

export class FollowedStory implements Story {
  readonly key: JobKey;
  /** By which those who append tell of it. */
  readonly number: number;
  lastSeq = 0;
  ended = false;
  readonly followers = new Set<{ wake(): void }>();
  /** Settles when it is known how far the story is. */
  open: Promise<void> | undefined;
  readonly #readPage: (key: JobKey, afterSeq: number) => Promise<JobEvent[]>;
  /** Without a gap; the last of them needn't be the story's last. */
  #kept: readonly JobEvent[] = nothing;
  #reading: { afterSeq: number; page: Promise<JobEvent[]> } | undefined;

  constructor(key: JobKey, number: number, readPage: (key: JobKey, afterSeq: number) => Promise<JobEvent[]>) {
    this.key = key;
    this.number = number;
    this.#readPage = readPage;
  }

  /** News of the story; the events may be missing, old or behind a gap. */
  moved(lastSeq: number, ended: boolean, events: readonly JobEvent[]): void {
    this.lastSeq = Math.max(this.lastSeq, lastSeq);
    this.ended ||= ended;
    this.#keep(events);
    this.wake();
  }

  wake(): void {
    for (const follower of this.followers) follower.wake();
  }

  /** Events after `seq`, at least one when the story is known to have one there. */
  after(seq: number): readonly JobEvent[] | Promise<readonly JobEvent[]> {
    const first = this.#kept[0]?.seq;
    const last = this.#kept.at(-1)?.seq;
    if (first === undefined || last === undefined || first > seq + 1 || seq >= last) return this.#readAfter(seq);
    return first === seq + 1 ? this.#kept : this.#kept.slice(seq + 1 - first);
  }

  /** A follower has read all there is. When it is the only one nothing needs to be kept: thousands of stories may rest like this. */
  caughtUp(): void {
    if (this.followers.size <= 1) this.#kept = nothing;
  }

  #keep(events: readonly JobEvent[]): void {
    const first = events[0]?.seq;
    const last = events.at(-1)?.seq;
    const keptLast = this.#kept.at(-1)?.seq ?? 0;
    if (first === undefined || last === undefined || last <= keptLast) return;
    const joins = first === keptLast + 1 && this.#kept.length + events.length <= mostKept;
    this.#kept = joins && keptLast > 0 ? [...this.#kept, ...events] : events;
  }

  async #readAfter(seq: number): Promise<readonly JobEvent[]> {
    if (this.#reading?.afterSeq !== seq) this.#reading = { afterSeq: seq, page: this.#readPage(this.key, seq) };
    const reading = this.#reading;
    try {
      const page = await reading.page;
      this.#keep(page);
      return page;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }
}
