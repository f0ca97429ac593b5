/**
 * Patterns over the words of a prompt, in a language too small to backtrack:
 *
 *   word        that word, in any case and spelling that folds to it
 *   word*       any word that begins so
 *   (a|b c*|d)  one of these (each one or more words)
 *   …?          a word or group that may be missing
 *   ~3          up to three words of any kind
 *
 * A pattern is a nondeterministic automaton without cycles; all its states are followed at once (Thompson 1968), so a prompt costs words ×
 * states, whatever it says.
 */
import { foldText } from '../fold.ts';

interface Step {
  /** Matches a word; null = any. */
  readonly word: string | null;
  readonly prefix: boolean;
  /** The state behind it. */
  readonly to: number;
}

/** State 0 is the start; `accepting` states end the pattern. States only lead to later ones. */
export interface WordPattern {
  readonly steps: readonly (readonly Step[])[];
  readonly accepting: ReadonlySet<number>;
}

const maxStates = 64;
const maxGap = 8;
const token = /\s*(?:\(([^()]*)\)|~(\d)|([^\s()~?|*]+\*?))(\?)?/uy;
const wordForm = /^([\p{L}\p{N}\p{M}_'’]+)(\*)?$/u;

const wordsIn = /[\p{L}\p{N}_]+/gu;

/** The words of a folded text; an apostrophe inside a word is left out, so that `don’t` is `dont`. */
export function wordsOfFolded(folded: string): string[] {
  return folded.replaceAll(/(?<=\p{L})['’](?=\p{L})/gu, '').match(wordsIn) ?? [];
}

export function wordsOf(text: string): string[] {
  return wordsOfFolded(foldText(text));
}

class Builder {
  readonly steps: Step[][] = [[]];
  /** States in which what was read so far may end. */
  ends = new Set([0]);

  addState(): number {
    if (this.steps.length >= maxStates) throw new Error(`a pattern may have at most ${maxStates} places`);
    return this.steps.push([]) - 1;
  }

  /** Goes on with one of the alternatives, each a list of words; with `optional` also without any. */
  addChoice(alternatives: readonly (readonly string[])[], optional: boolean): void {
    const after = new Set(optional ? this.ends : []);
    for (const words of alternatives) {
      let from: Iterable<number> = this.ends;
      for (const written of words) {
        const state = this.addState();
        const step = toStep(written, state);
        for (const before of from) this.steps[before]!.push(step);
        from = [state];
      }
      for (const state of from) after.add(state);
    }
    this.ends = after;
  }

  addGap(words: number): void {
    const after = new Set(this.ends);
    let from: Iterable<number> = this.ends;
    for (let i = 0; i < words; i++) {
      const state = this.addState();
      for (const before of from) this.steps[before]!.push({ word: null, prefix: false, to: state });
      from = [state];
      after.add(state);
    }
    this.ends = after;
  }
}

function toStep(written: string, to: number): Step {
  const [, text, star] = wordForm.exec(written) ?? [];
  const word = text === undefined ? '' : wordsOf(text).join('');
  if (word === '') throw new Error(`"${written}" is no word`);
  return { word, prefix: star !== undefined, to };
}

function addToken(builder: Builder, [, group, gap, word, optional]: RegExpExecArray): void {
  if (gap !== undefined) {
    if (optional !== undefined || Number(gap) < 1 || Number(gap) > maxGap) throw new Error(`a gap is ~1 to ~${maxGap}`);
    builder.addGap(Number(gap));
    return;
  }
  const alternatives = (group ?? word ?? '').split('|').map((one) => one.trim().split(/\s+/));
  builder.addChoice(alternatives, optional !== undefined);
}

/** @throws Error that says what is wrong with the pattern */
export function compileWordPattern(source: string): WordPattern {
  const builder = new Builder();
  const text = source.trim();
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const found = token.exec(text);
    if (found === null) throw new Error(`cannot read the pattern from "${text.slice(at, at + 20)}"`);
    addToken(builder, found);
  }
  if (builder.ends.has(0)) throw new Error('a pattern must need at least one word');
  if (builder.steps[0]!.some(({ word }) => word === null)) throw new Error('a pattern must not begin with a gap');
  return { steps: builder.steps, accepting: builder.ends };
}

const fits = ({ word, prefix }: Step, given: string): boolean =>
  word === null || (prefix ? given.startsWith(word) : given === word);

const nowhere: readonly number[] = [];

/** The states after one more word, or `found` when the pattern is complete. It may also begin at that word. */
function advance(
  { steps, accepting }: WordPattern,
  active: readonly number[],
  word: string,
): readonly number[] | 'found' {
  let next: number[] | undefined;
  for (let i = -1; i < active.length; i++) {
    for (const step of steps[i < 0 ? 0 : active[i]!]!) {
      if (!fits(step, word)) continue;
      if (accepting.has(step.to)) return 'found';
      next ??= [];
      if (!next.includes(step.to)) next.push(step.to);
    }
  }
  return next ?? nowhere;
}

/** Whether the pattern is somewhere among the words. */
export function matchesWords(pattern: WordPattern, words: readonly string[]): boolean {
  let active: readonly number[] = nowhere;
  for (const word of words) {
    const next = advance(pattern, active, word);
    if (next === 'found') return true;
    active = next;
  }
  return false;
}

/** Which of many patterns may be in a text, found by the words they begin with: one look-up per word instead of a walk per pattern. */
export class PatternIndex {
  readonly #byWord = new Map<string, WordPattern[]>();
  readonly #byPrefix: { prefix: string; pattern: WordPattern }[] = [];

  constructor(patterns: Iterable<WordPattern>) {
    for (const pattern of patterns) {
      for (const { word, prefix } of pattern.steps[0]!) {
        if (prefix) this.#byPrefix.push({ prefix: word!, pattern });
        else this.#byWord.set(word!, [...(this.#byWord.get(word!) ?? []), pattern]);
      }
    }
  }

  /** All others begin with a word that isn't there. */
  begunIn(words: readonly string[]): ReadonlySet<WordPattern> {
    const begun = new Set<WordPattern>();
    for (const word of new Set(words)) {
      for (const pattern of this.#byWord.get(word) ?? []) begun.add(pattern);
      for (const { prefix, pattern } of this.#byPrefix) if (word.startsWith(prefix)) begun.add(pattern);
    }
    return begun;
  }
}
