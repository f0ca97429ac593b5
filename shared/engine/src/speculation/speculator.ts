/**
 * Decides which tokens to draft, and learns from what was drawn. Changes no token: a draft is only ever a guess that the engine checks. Knows no
 * tensor and no block.
 */
import type { Sequence } from '../sequence.ts';
import { lookUp } from './prompt-lookup.ts';
import { StepCost } from './step-cost.ts';

/** `auto` drafts where it pays, `always` whatever a lookup finds. */
export type SpeculationMode = 'off' | 'auto' | 'always';

export interface SpeculationCounts {
  /** Tokens computed as guesses since the start. */
  drafted: number;
  /** Those that were drawn. */
  accepted: number;
}

/** A text and how it would go on; `count` of the guess are drafted. */
interface Guess {
  readonly sequence: Sequence;
  /** Length of the text when it was guessed. */
  readonly at: number;
  readonly tokens: readonly number[];
  count: number;
  /** Tokens the text can expect of the step with what has been looked at so far. */
  expected: number;
}

const mostDrafted = 8;
const smoothing = 0.1;
/** What is thought of a text before anything of any was compared. */
const firstAcceptance = 0.5;
/** How much better a step must be expected to become. */
const leastGain = 1.02;
/** How much more time a token of any text may be expected to take. */
const mostDelay = 1.1;

export class Speculator {
  readonly #mode: SpeculationMode;
  readonly #cost = new StepCost();
  /** Probability that the next guessed token is drawn if all before it were. */
  readonly #acceptance = new WeakMap<Sequence, number>();
  /** The same over all texts: where a new one begins. */
  #usualAcceptance = firstAcceptance;
  #guesses: Guess[] = [];
  readonly counts: SpeculationCounts = { drafted: 0, accepted: 0 };

  constructor(mode: SpeculationMode) {
    this.#mode = mode;
  }

  /**
   * Drafts for a step in which each of these texts computes its last token.
   * @param mostRows drafted tokens in all
   * @returns for some of the texts the tokens to compute behind it
   */
  draft(texts: readonly Sequence[], mostRows: number): Map<Sequence, readonly number[]> {
    this.#guesses = [];
    if (this.#mode === 'off') return new Map();
    for (const sequence of texts) {
      const { tokens, mostTokens } = sequence;
      const guess = lookUp(tokens, Math.min(mostDrafted, mostTokens - tokens.length - 1));
      if (guess.length > 0) this.#guesses.push({ sequence, at: tokens.length, tokens: guess, count: 0, expected: 1 });
    }
    if (this.#mode === 'always') this.#takeAll(mostRows);
    else this.#takeWhatPays(texts.length, mostRows);
    return new Map(
      this.#guesses.filter(({ count }) => count > 0).map((one) => [one.sequence, one.tokens.slice(0, one.count)]),
    );
  }

  #takeAll(mostRows: number): void {
    let left = mostRows;
    for (const guess of this.#guesses) {
      guess.count = Math.min(guess.tokens.length, left);
      left -= guess.count;
    }
  }

  #takeWhatPays(texts: number, mostRows: number): void {
    const plain = this.#cost.of(texts);
    if (plain === undefined) return;
    const ranked = this.#guesses
      .flatMap((guess) =>
        guess.tokens.map((_, i) => ({ guess, chance: this.#acceptanceOf(guess.sequence) ** (i + 1) })),
      )
      .sort((a, b) => b.chance - a.chance)
      .slice(0, mostRows);
    let best = (texts / plain) * leastGain;
    let taken = 0;
    let expected = texts;
    for (const [index, { guess, chance }] of ranked.entries()) {
      expected += chance;
      guess.expected += chance;
      const cost = this.#cost.of(texts + index + 1) ?? Number.POSITIVE_INFINITY;
      const least = this.#guesses.length < texts ? 1 : Math.min(...this.#guesses.map((one) => one.expected));
      if (cost > plain * least * mostDelay || expected / cost <= best) continue;
      best = expected / cost;
      taken = index + 1;
    }
    for (const { guess } of ranked.slice(0, taken)) guess.count++;
  }

  #acceptanceOf(sequence: Sequence): number {
    return this.#acceptance.get(sequence) ?? this.#usualAcceptance;
  }

  /** To be called when a step that only continued texts has been computed and drawn from. */
  observe(rows: number, durationMs: number): void {
    this.#cost.observe(rows, durationMs);
    for (const guess of this.#guesses) this.#compare(guess);
    this.#guesses = [];
  }

  #compare({ sequence, at, tokens, count }: Guess): void {
    const drawn = sequence.tokens.slice(at);
    let acceptance = this.#acceptanceOf(sequence);
    for (const [i, token] of drawn.slice(0, tokens.length).entries()) {
      const matches = token === tokens[i];
      acceptance += smoothing * ((matches ? 1 : 0) - acceptance);
      this.#usualAcceptance += smoothing * ((matches ? 1 : 0) - this.#usualAcceptance);
      if (!matches) break;
    }
    this.#acceptance.set(sequence, acceptance);
    this.counts.drafted += count;
    this.counts.accepted += Math.min(count, Math.max(0, drawn.length - 1));
  }
}
