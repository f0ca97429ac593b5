/**
 * What a job has to tell and has not yet appended: at most one start, then the text of each index, merged. A delta waits until it has text to
 * show or ends its index; its tokens wait with it, and what is lost of them in a crash is drawn again.
 */
import { joinLogprobs, type NewJobEvent } from '@inkwell/contracts';
import type { ChoiceDelta } from '@inkwell/engine';

export class PendingEvents {
  #started: NewJobEvent | null = null;
  readonly #deltas = new Map<number, ChoiceDelta>();

  start(event: NewJobEvent): void {
    this.#started = event;
  }

  add(delta: ChoiceDelta): void {
    const waiting = this.#deltas.get(delta.index);
    if (waiting === undefined) {
      this.#deltas.set(delta.index, { ...delta, tokens: [...delta.tokens] });
      return;
    }
    waiting.delta += delta.delta;
    waiting.tokens.push(...delta.tokens);
    waiting.logprobs = joinLogprobs(waiting.logprobs, delta.logprobs);
    waiting.finishReason = delta.finishReason;
    if (delta.filteredBy !== undefined) waiting.filteredBy = delta.filteredBy;
  }

  /** Whether there is anything to append now. */
  get ready(): boolean {
    if (this.#started !== null) return true;
    for (const delta of this.#deltas.values()) if (isShowable(delta)) return true;
    return false;
  }

  /**
   * Hands out what is to be appended.
   * @param all also tokens without text yet: the story ends, and what was drawn is to be counted
   */
  take(at: number, all: boolean): NewJobEvent[] {
    const events: NewJobEvent[] = this.#started === null ? [] : [this.#started];
    this.#started = null;
    for (const [index, delta] of this.#deltas) {
      if (!all && !isShowable(delta)) continue;
      this.#deltas.delete(index);
      events.push({ type: 'job.delta', at, ...delta });
    }
    return events;
  }
}

function isShowable(delta: ChoiceDelta): boolean {
  return delta.delta !== '' || delta.finishReason !== null;
}
