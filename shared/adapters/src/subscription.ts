/**
 * One reader of a story: told what it lacks, then what comes, then the end. There may be thousands that wait, so a waiting one is this object
 * and its place among the story's followers: no promise, no timer, no signal. Each technology says what a story is and how it moves.
 *
 * States: *told* all there is, until it is woken; *busy* while a page is read or the reader holds the story back; *over*.
 */
import { InkwellError, type JobEvent } from '@inkwell/contracts';
import type { StoryReader, StorySubscription } from '@inkwell/ports';

export interface Story {
  readonly lastSeq: number;
  readonly ended: boolean;
  readonly followers: Set<{ wake(): void }>;
  /** Events after `seq`, without a gap; at least one, unless they were removed. */
  after(seq: number): readonly JobEvent[] | Promise<readonly JobEvent[]>;
  /** A follower has been told all there is. */
  caughtUp(): void;
}

/** What is the same for all subscriptions of a store. */
export interface Telling<Followed extends Story> {
  /** Why no story goes on, once the store has closed. */
  closedError(): Error | undefined;
  /** No longer among the story's followers. */
  left(story: Followed): void;
}

export class Subscription<Followed extends Story> implements StorySubscription {
  readonly story: Followed;
  readonly #telling: Telling<Followed>;
  readonly #reader: StoryReader;
  #seq: number;
  #state: 'told' | 'busy' | 'over' = 'busy';

  /** Busy until `start`. */
  constructor(story: Followed, afterSeq: number, reader: StoryReader, telling: Telling<Followed>) {
    this.story = story;
    this.#seq = afterSeq;
    this.#reader = reader;
    this.#telling = telling;
    story.followers.add(this);
  }

  /** How far the story is, is known. */
  start(): void {
    this.#go();
  }

  /** The story has moved, or the store has closed. */
  wake(): void {
    if (this.#state === 'told') this.#advance();
  }

  leave(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.story.followers.delete(this);
    this.#telling.left(this.story);
  }

  finish(error?: unknown): void {
    if (this.#state === 'over') return;
    this.leave();
    this.#reader.end(error);
  }

  #go(): void {
    if (this.#state === 'over') return;
    this.#state = 'told';
    this.#advance();
  }

  #advance(): void {
    const { story } = this;
    while (this.#state === 'told' && story.lastSeq > this.#seq) {
      const page = story.after(this.#seq);
      if (page instanceof Promise) {
        this.#state = 'busy';
        page.then(
          (events) => this.#arrived(events),
          (error: unknown) => this.finish(error),
        );
        return;
      }
      this.#tell(page);
    }
    if (this.#state !== 'told') return;
    const closed = this.#telling.closedError();
    if (story.ended) this.finish();
    else if (closed !== undefined) this.finish(closed);
    else story.caughtUp();
  }

  #arrived(events: readonly JobEvent[]): void {
    if (this.#state === 'over') return;
    this.#state = 'told';
    this.#tell(events);
    this.#advance();
  }

  #tell(events: readonly JobEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) {
      this.finish(new InkwellError('job_not_found', { message: 'The job was removed.' }));
      return;
    }
    this.#seq = last.seq;
    const pause = this.#reader.tell(events);
    if (pause === undefined || this.#state === 'over') return;
    this.#state = 'busy';
    void pause.then(() => this.#go());
  }
}
