/**
 * Decides what the next step computes; touches no tensor. Continuous batching: rows of running texts come first, so a stream never stalls
 * behind somebody's long prompt; what is left of the step's token budget goes to prompts, in chunks, oldest first; new sequences enter when
 * a slot and enough KV blocks are free. When blocks run out the youngest sequence is preempted: it loses its blocks and computes them again
 * later, which changes no token. A sequence that begins like one computed before, in the same scope, takes over its full blocks instead of
 * computing them: they are a pure function of the tokens, so that changes no token either. Which job is handed in next was decided by the fair queue in front.
 */
import type { BlockPool } from './kv-blocks.ts';
import { PrefixKeys } from './prefix-keys.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerLimits {
  /** Most sequences that run at once. */
  maxSequences: number;
  /** Most rows per step; above `maxSequences`, so that prompts always advance. */
  stepTokenBudget: number;
  /** Most rows per step whose logits are wanted for an echoed prompt: bounds the memory of a step. */
  promptLogitsPerStep: number;
}

/** Compute the tokens [from, from + count) of a sequence, and behind its last one those of the draft. */
export interface Work {
  readonly sequence: Sequence;
  readonly from: number;
  readonly count: number;
  /** Guesses at its next tokens; empty unless the work ends with its last. */
  readonly draft: readonly number[];
}

/** Guesses for texts that compute their last token, so many tokens at most. */
export type Drafter = (texts: readonly Sequence[], mostRows: number) => ReadonlyMap<Sequence, readonly number[]>;

interface Budget {
  rows: number;
  promptLogits: number;
}

export class Scheduler {
  readonly #blocks: BlockPool;
  readonly #limits: SchedulerLimits;
  /** Oldest first. */
  readonly #running: Sequence[] = [];
  readonly #waiting: Sequence[] = [];
  #preemptions = 0;
  #reusedTokens = 0;

  constructor(blocks: BlockPool, limits: SchedulerLimits) {
    if (limits.stepTokenBudget <= limits.maxSequences) {
      throw new RangeError('stepTokenBudget must be above maxSequences, or prompts could starve');
    }
    this.#blocks = blocks;
    this.#limits = limits;
  }

  get runningCount(): number {
    return this.#running.length;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** How often a sequence lost its blocks since the start. */
  get preemptions(): number {
    return this.#preemptions;
  }

  /** Tokens that were found computed since the start. */
  get reusedTokens(): number {
    return this.#reusedTokens;
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Frees slot and blocks at once; also while a step that includes the sequence is being computed. */
  remove(sequence: Sequence): void {
    const list = sequence.state === 'running' ? this.#running : this.#waiting;
    const at = list.indexOf(sequence);
    if (at >= 0) list.splice(at, 1);
    this.#releaseBlocks(sequence);
    sequence.state = 'removed';
  }

  /**
   * The next step's work; empty only when nothing is left to do.
   * @param mostPromptRows most rows of prompts, asked with whether texts are running beside them: keeps the step short
   * @param drafter asked when the step holds nothing but texts
   */
  schedule(
    mostPromptRows: (besideTexts: boolean) => number = () => Number.POSITIVE_INFINITY,
    drafter: Drafter = () => new Map(),
  ): Work[] {
    const work: Work[] = [];
    const budget: Budget = { rows: this.#limits.stepTokenBudget, promptLogits: this.#limits.promptLogitsPerStep };
    this.#continueTexts(work, budget);
    const texts = work.length;
    budget.rows = Math.min(budget.rows, mostPromptRows(work.length > 0));
    this.#continuePrompts(work, budget);
    this.#admit(work, budget);
    return work.length === texts && texts > 0 ? this.#addDrafts(work, drafter) : work;
  }

  /** To be called once the work has been computed. */
  commit(work: readonly Work[]): void {
    for (const { sequence, from, count, draft } of work) {
      if (sequence.state !== 'running') continue;
      // Of a draft, as much as was drawn.
      sequence.computed = Math.min(from + count + draft.length, Math.max(from + count, sequence.tokens.length - 1));
      this.#publish(sequence, from);
      if (sequence.logitsFrom >= sequence.computed) continue;
      sequence.logitsFrom = sequence.computed < sequence.promptLength ? sequence.computed : Number.POSITIVE_INFINITY;
    }
  }

  #continueTexts(work: Work[], budget: Budget): void {
    for (let i = 0; i < this.#running.length; i++) {
      const sequence = this.#running[i]!;
      if (sequence.remaining === 1 && this.#makeRoom(sequence)) this.#assign(sequence, work, budget);
    }
  }

  #continuePrompts(work: Work[], budget: Budget): void {
    for (const sequence of this.#running) {
      if (budget.rows === 0) return;
      if (sequence.remaining > 1) this.#assign(sequence, work, budget);
    }
  }

  #admit(work: Work[], budget: Budget): void {
    while (budget.rows > 0 && this.#running.length < this.#limits.maxSequences) {
      const sequence = this.#waiting[0];
      if (sequence === undefined) return;
      const shared = this.#claimPrefix(sequence);
      const needed = this.#blocks.blocksFor(sequence.tokens.length) - shared.length;
      // Each running sequence will soon want one more block: admitting into those would only preempt again.
      if (this.#running.length > 0 && needed + this.#running.length > this.#blocks.freeCount) {
        this.#blocks.release(shared);
        return;
      }
      this.#waiting.shift();
      sequence.blocks = [...shared, ...this.#blocks.allocate(needed)];
      sequence.computed = shared.length * this.#blocks.blockSize;
      this.#reusedTokens += sequence.computed;
      sequence.state = 'running';
      this.#running.push(sequence);
      this.#assign(sequence, work, budget);
    }
  }

  /** The known blocks that a sequence can begin with: full ones, before its last token and before any row whose logits are wanted. */
  #claimPrefix(sequence: Sequence): number[] {
    if (sequence.scope === undefined) return [];
    const { blockSize } = this.#blocks;
    sequence.prefixKeys ??= new PrefixKeys(sequence.scope, blockSize);
    const reusable = Math.min(sequence.tokens.length - 1, sequence.logitsFrom);
    return this.#blocks.claim(sequence.prefixKeys.of(sequence.tokens, Math.floor(reusable / blockSize)));
  }

  /** Makes the blocks known that were filled since position `from`. */
  #publish(sequence: Sequence, from: number): void {
    if (sequence.prefixKeys === undefined) return;
    const { blockSize } = this.#blocks;
    const full = Math.floor(sequence.computed / blockSize);
    const first = Math.floor(from / blockSize);
    if (full === first) return;
    const keys = sequence.prefixKeys.of(sequence.tokens, full);
    for (let i = first; i < full; i++) this.#blocks.publish(sequence.blocks[i]!, keys[i]!);
  }

  /** Gives the sequence as many rows as it needs and the budget has. */
  #assign(sequence: Sequence, work: Work[], budget: Budget): void {
    let count = Math.min(sequence.remaining, budget.rows);
    const withoutLogits = Math.max(0, sequence.logitsFrom - sequence.computed);
    if (count > withoutLogits) {
      count = Math.min(count, withoutLogits + budget.promptLogits);
      budget.promptLogits -= Math.max(0, count - withoutLogits);
    }
    if (count <= 0) return;
    budget.rows -= count;
    work.push({ sequence, from: sequence.computed, count, draft: [] });
  }

  #addDrafts(work: readonly Work[], drafter: Drafter): Work[] {
    const texts = work.map((one) => one.sequence);
    const drafts = drafter(texts, this.#limits.stepTokenBudget - texts.length);
    return work.map((one) => {
      const wanted = drafts.get(one.sequence) ?? [];
      return wanted.length === 0
        ? one
        : { ...one, draft: wanted.slice(0, this.#roomForDraft(one.sequence, wanted.length)) };
    });
  }

  /** How many positions behind its last token a sequence can have; takes blocks only if that preempts nobody. */
  #roomForDraft(sequence: Sequence, wanted: number): number {
    const needed = this.#blocks.blocksFor(sequence.tokens.length + wanted) - sequence.blocks.length;
    if (needed > 0 && needed + this.#running.length <= this.#blocks.freeCount) {
      sequence.blocks.push(...this.#blocks.allocate(needed));
    }
    return Math.min(wanted, sequence.blocks.length * this.#blocks.blockSize - sequence.tokens.length);
  }

  /** Makes sure the sequence has a block for its last token; false when it had to be preempted itself. */
  #makeRoom(sequence: Sequence): boolean {
    while (this.#blocks.blocksFor(sequence.tokens.length) > sequence.blocks.length) {
      if (this.#blocks.freeCount > 0) {
        sequence.blocks.push(...this.#blocks.allocate(1));
        continue;
      }
      const youngest = this.#running.at(-1)!;
      this.#preempt(youngest);
      if (youngest === sequence) return false;
    }
    return true;
  }

  #preempt(sequence: Sequence): void {
    this.#running.pop();
    this.#releaseBlocks(sequence);
    sequence.computed = 0;
    sequence.state = 'waiting';
    this.#waiting.unshift(sequence);
    this.#preemptions++;
  }

  #releaseBlocks(sequence: Sequence): void {
    this.#blocks.release(sequence.blocks);
    sequence.blocks = [];
  }
}
