/** One reader of a job's story, asleep until the story moves or its reader leaves. What a story is, and how it moves, each technology says. */

export interface Followed {
  readonly followers: Set<{ wake(): void }>;
}

/** Listens to its signal once, not once per wait: thousands may share a signal. */
export class Follower<Story extends Followed> {
  readonly story: Story;
  readonly #signal: AbortSignal;
  #resume: (() => void) | undefined;

  constructor(story: Story, signal: AbortSignal) {
    this.story = story;
    this.#signal = signal;
    signal.addEventListener('abort', this.wake);
    story.followers.add(this);
  }

  /** Resolves when the story moves or the signal aborts. */
  changed(): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  readonly wake = (): void => {
    this.#resume?.();
    this.#resume = undefined;
  };

  leave(): void {
    this.#signal.removeEventListener('abort', this.wake);
    this.story.followers.delete(this);
  }
}
