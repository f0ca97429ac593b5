/** Log-probabilities in the OpenAI completions shape, one entry per token. */
import type { LogprobsBlock, OutputFilter } from '@inkwell/contracts';
import { createSampler, type Sampler, type Tokenizer, type TokenLogprob } from '@inkwell/gpt2';
import { findBanned } from '@inkwell/safety/phrase-filter';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A token as the API writes it: its text, or `bytes:\xe2\x80` when its bytes alone are no text. */
function tokenName(tokenizer: Tokenizer, token: number): string {
  const bytes = tokenizer.tokenBytes(token);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

export interface ScoredToken {
  readonly token: number;
  readonly logprob?: number;
  readonly topLogprobs?: readonly TokenLogprob[];
}

/** Collects the block of one stretch of tokens. */
export class LogprobsBuilder {
  readonly #tokenizer: Tokenizer;
  readonly #alternatives: number;
  readonly #filter: OutputFilter | undefined;
  #block: LogprobsBlock;

  /**
   * @param alternatives most likely tokens to name beside the drawn one; 0 leaves `top_logprobs` null
   * @param filter alternatives it bans are left out
   */
  constructor(tokenizer: Tokenizer, alternatives: number, filter?: OutputFilter) {
    this.#tokenizer = tokenizer;
    this.#alternatives = alternatives;
    this.#filter = filter;
    this.#block = this.#empty();
  }

  #empty(): LogprobsBlock {
    return { tokens: [], token_logprobs: [], top_logprobs: this.#alternatives === 0 ? null : [], text_offset: [] };
  }

  /** A token without a `logprob` is the first of an echoed prompt: nothing comes before it. */
  add(scored: ScoredToken, offset: number): void {
    const name = tokenName(this.#tokenizer, scored.token);
    this.#block.tokens.push(name);
    this.#block.token_logprobs.push(scored.logprob ?? null);
    this.#block.text_offset.push(offset);
    if (scored.logprob === undefined) {
      this.#block.top_logprobs?.push(null);
      return;
    }
    const top = (scored.topLogprobs ?? [])
      .map((one) => [tokenName(this.#tokenizer, one.token), one.logprob] as const)
      .filter(([alternative]) => this.#filter === undefined || findBanned(this.#filter, alternative) === null);
    // The drawn token is always among them, so there may be one more than was asked for.
    this.#block.top_logprobs?.push(Object.fromEntries([...top, [name, scored.logprob]]));
  }

  /** Hands out what was collected and begins anew. */
  take(): LogprobsBlock {
    const block = this.#block;
    this.#block = this.#empty();
    return block;
  }
}

/** Scores given tokens instead of drawing them, with the sampler's own arithmetic. */
export class PromptScorer {
  readonly #greedy: Sampler;

  constructor(alternatives: number) {
    this.#greedy = createSampler({ temperature: 0, logprobs: alternatives });
  }

  /** @param logits [n_vocab], the row before `token` */
  score(logits: Float32Array, token: number): ScoredToken {
    const best = this.#greedy.sample(logits, { ids: [], generatedFrom: 0 }, 0);
    const normalizer = logits[best.token]! - best.logprob!;
    return { token, logprob: logits[token]! - normalizer, topLogprobs: best.topLogprobs };
  }
}
