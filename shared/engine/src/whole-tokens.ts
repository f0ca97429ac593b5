/**
 * Lets tokens leave only together with their whole text. Logprobs name tokens, so with an output filter an entry must not leave before the filter
 * has let its text go. What an earlier run let go is told by the tokens it delivered; all others are drawn again, so no entry is lost.
 */
import type { CandidateDelta } from './candidate-delta.ts';
import type { LogprobsBuilder, ScoredToken } from './logprobs.ts';
import type { Shown } from './text-stream.ts';

interface WaitingToken {
  readonly scored: ScoredToken;
  readonly offset: number;
  /** Units that must have been shown before it may leave. */
  readonly end: number;
}

export class WholeTokens {
  readonly #logprobs: LogprobsBuilder;
  /** Of the echoed prompt; they leave with the first drawn token, which says that they have left. */
  #echoed: WaitingToken[] = [];
  #drawn: WaitingToken[] = [];
  /** Let go by the text, not yet by us. */
  #text = '';
  /** Where `#text` begins in the whole text. */
  #textFrom: number;
  /** Units the text has let go. */
  #shown: number;

  /**
   * @param shown units the text has let go after the delivered tokens alone
   * @param delivered units that an earlier run delivered: as many, or more if it knew what came next
   */
  constructor(logprobs: LogprobsBuilder, shown: number, delivered: number) {
    this.#logprobs = logprobs;
    this.#shown = shown;
    this.#textFrom = Math.max(shown, delivered);
  }

  echo(scored: ScoredToken, offset: number, end: number): void {
    this.#echoed.push({ scored, offset, end });
  }

  /** Takes a drawn token; answers what may leave now, which at the end is everything but the entries of text that was cut off. */
  draw(scored: ScoredToken, { delta, finishReason, offset, end }: Shown, replacement: string): CandidateDelta {
    this.#drawn.push({ scored, offset, end });
    const known = Math.max(0, this.#textFrom - this.#shown);
    this.#text += delta.slice(known);
    this.#shown += delta.length;
    if (finishReason === null) return { ...this.#leave(this.#wholeCount(this.#shown)), finishReason };
    const whole = finishReason === 'content_filter' ? this.#shown - replacement.length : this.#shown;
    const count = this.#wholeCount(whole);
    const tokens = this.#drawn.map((one) => one.scored.token);
    for (const one of this.#echoed) if (one.end <= whole) this.#logprobs.add(one.scored, one.offset);
    for (const one of this.#drawn.slice(0, count)) this.#logprobs.add(one.scored, one.offset);
    return { delta: this.#text, tokens, logprobs: this.#logprobs.take(), finishReason };
  }

  #wholeCount(shown: number): number {
    const firstWaiting = this.#drawn.findIndex(({ end }) => end > shown);
    return firstWaiting < 0 ? this.#drawn.length : firstWaiting;
  }

  #leave(count: number): Omit<CandidateDelta, 'finishReason'> {
    const leaving = this.#drawn.splice(0, count);
    const last = leaving.at(-1);
    if (last === undefined) return { delta: '', tokens: [], logprobs: null };
    for (const { scored, offset } of [...this.#echoed.splice(0), ...leaving]) this.#logprobs.add(scored, offset);
    const delta = this.#text.slice(0, last.end - this.#textFrom);
    this.#text = this.#text.slice(delta.length);
    this.#textFrom += delta.length;
    return { delta, tokens: leaving.map(({ scored }) => scored.token), logprobs: this.#logprobs.take() };
  }
}
