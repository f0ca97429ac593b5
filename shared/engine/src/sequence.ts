/**
 * One candidate text as the scheduler sees it: tokens, of which the first `computed` are in the KV cache. There is no prefill or decode
 * phase: computed tokens catch up with tokens, and whenever they have, the next token can be drawn.
 */
import type { PrefixKeys } from './prefix-keys.ts';

export type SequenceState = 'waiting' | 'running' | 'removed';

export class Sequence {
  /** Prompt, then everything drawn. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Blocks held, in order of position. */
  blocks: number[] = [];
  state: SequenceState = 'waiting';
  /**
   * From this position on the logits of every row are wanted, not only of the last: for the logprobs of an echoed prompt. Moves up as rows
   * are consumed, so that a sequence that was preempted asks only for what it still lacks.
   */
  logitsFrom: number;
  /** Whose computed beginnings it may share, and share its own with; undefined: nobody's. */
  scope: string | undefined;
  /** Made by the scheduler for a sequence with a scope. */
  prefixKeys: PrefixKeys | undefined;

  /** Tokens it will have at most. */
  readonly mostTokens: number;

  /** @param drawn tokens drawn by an earlier run, to be continued */
  constructor(
    prompt: readonly number[],
    drawn: readonly number[] = [],
    logitsFrom = Number.POSITIVE_INFINITY,
    mostTokens = Number.POSITIVE_INFINITY,
  ) {
    this.mostTokens = mostTokens;
    this.tokens = [...prompt, ...drawn];
    this.promptLength = prompt.length;
    this.logitsFrom = logitsFrom;
  }

  /** Tokens not yet in the cache; at least 1 while the sequence lives. */
  get remaining(): number {
    return this.tokens.length - this.computed;
  }
}
