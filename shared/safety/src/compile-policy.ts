/**
 * From a policy file to what can be asked: is this prompt refused, and by which rule; which phrases must not leave. A file is taken as a whole or
 * not at all, and only if each rule, also one that is switched off, treats its own examples as it says.
 */
import { createHash } from 'node:crypto';
import type { OutputFilter } from '@inkwell/contracts';
import { detectors } from './detectors/index.ts';
import { foldText } from './fold.ts';
import { findBanned } from './output/phrase-filter.ts';
import { phraseSymbols } from './output/symbols.ts';
import { type OutputRule, type PolicyFile, type PromptRule, policyFileSchema } from './policy-file.ts';
import {
  compileWordPattern,
  matchesWords,
  PatternIndex,
  type WordPattern,
  wordsOfFolded,
} from './prompt/word-pattern.ts';

export interface PolicyRule {
  readonly id: string;
  readonly kind: 'injection' | 'sensitive' | 'pii' | 'secret' | 'phrase';
}

export interface ContentPolicy {
  /** Names the content; changes with it. */
  readonly version: string;
  /** Rules that are switched on. */
  readonly rules: readonly PolicyRule[];
  /** The first rule that refuses the text, or null. Takes time linear in the text. */
  checkPrompt(text: string): PolicyRule | null;
  /** What every job accepted now carries; null when nothing is banned. */
  readonly outputFilter: OutputFilter | null;
}

/** A policy file that cannot be used; the message names the place. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

const maxPhrases = 256;
const maxPhraseCharacters = 16_384;

/** A prompt in the forms that rules look at, each made when it is first asked for. */
class Prompt {
  readonly #text: string;
  readonly #index: PatternIndex;
  #folded: string | undefined;
  #words: string[] | undefined;
  #begun: ReadonlySet<WordPattern> | undefined;

  /** @param index of all patterns it will be asked for */
  constructor(text: string, index: PatternIndex) {
    this.#text = text;
    this.#index = index;
  }

  get folded(): string {
    this.#folded ??= foldText(this.#text);
    return this.#folded;
  }

  holds(pattern: WordPattern): boolean {
    this.#words ??= wordsOfFolded(this.folded);
    this.#begun ??= this.#index.begunIn(this.#words);
    return this.#begun.has(pattern) && matchesWords(pattern, this.#words);
  }
}

interface CompiledRule {
  readonly patterns: readonly WordPattern[];
  refuses(prompt: Prompt): boolean;
}

function compilePromptRule({ id, patterns: sources = [], detector }: PromptRule): CompiledRule {
  if (detector !== undefined) return { patterns: [], refuses: ({ folded }) => detectors[detector](folded) };
  const patterns = sources.map((source, i) => {
    try {
      return compileWordPattern(source);
    } catch (error) {
      throw new PolicyError(`rule ${id}, patterns.${i}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  return { patterns, refuses: (prompt) => patterns.some((pattern) => prompt.holds(pattern)) };
}

function filterOf(rules: readonly OutputRule[], replacement: string): OutputFilter {
  const phrases = rules.flatMap(({ id, phrases, match }) =>
    phrases.map((text) => ({ rule: id, text, whole: match === 'word' })),
  );
  for (const { rule, text } of phrases) {
    if (phraseSymbols(text, false).length === 0)
      throw new PolicyError(`rule ${rule}: the phrase "${text}" is invisible`);
  }
  const version = createHash('sha256')
    .update(JSON.stringify([phrases, replacement]))
    .digest('hex')
    .slice(0, 32);
  return { version, phrases, replacement };
}

function checkExamples(id: string, { caught, passed }: PromptRule['examples'], catches: (text: string) => boolean) {
  for (const [i, text] of caught.entries()) {
    if (!catches(text)) throw new PolicyError(`rule ${id}, examples.caught.${i}: the rule does not catch it`);
  }
  for (const [i, text] of passed.entries()) {
    if (catches(text)) throw new PolicyError(`rule ${id}, examples.passed.${i}: the rule catches it`);
  }
}

function checkIds({ prompt_rules, output_rules }: PolicyFile): void {
  const seen = new Set<string>();
  for (const { id } of [...prompt_rules, ...output_rules]) {
    if (seen.has(id)) throw new PolicyError(`rule ${id}: there are two of this id`);
    seen.add(id);
  }
}

function compileOutput({ output_rules, replacement }: PolicyFile): OutputFilter | null {
  for (const rule of output_rules) {
    const alone = filterOf([rule], replacement);
    checkExamples(rule.id, rule.examples, (text) => findBanned(alone, text) !== null);
  }
  const enabled = output_rules.filter((rule) => rule.enabled);
  if (enabled.length === 0) return null;
  const filter = filterOf(enabled, replacement);
  const characters = filter.phrases.reduce((sum, { text }) => sum + text.length, 0);
  if (filter.phrases.length > maxPhrases || characters > maxPhraseCharacters) {
    throw new PolicyError(`output_rules: at most ${maxPhrases} phrases of ${maxPhraseCharacters} characters together`);
  }
  const banned = findBanned(filter, replacement);
  if (banned !== null) throw new PolicyError(`replacement: rule ${banned} bans it`);
  return filter;
}

function parse(text: string): PolicyFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PolicyError(`the policy file is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = policyFileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
  throw new PolicyError(problems.slice(0, 10).join('; '));
}

/**
 * @param text of a policy file
 * @throws PolicyError
 */
export function compilePolicy(text: string): ContentPolicy {
  const file = parse(text);
  checkIds(file);
  const compiled = file.prompt_rules.map((rule) => {
    const { patterns, refuses } = compilePromptRule(rule);
    const own = new PatternIndex(patterns);
    checkExamples(rule.id, rule.examples, (example) => refuses(new Prompt(example, own)));
    return { rule, patterns, refuses };
  });
  const enabled = compiled.filter(({ rule }) => rule.enabled);
  const index = new PatternIndex(enabled.flatMap(({ patterns }) => patterns));
  const outputFilter = compileOutput(file);
  const outputRules = file.output_rules.filter((rule) => rule.enabled);
  return {
    version: createHash('sha256').update(text).digest('hex').slice(0, 16),
    rules: [...enabled.map(({ rule }) => rule), ...outputRules].map(({ id, kind }) => ({ id, kind })),
    outputFilter,
    checkPrompt(promptText) {
      const prompt = new Prompt(promptText, index);
      const refused = enabled.find(({ refuses }) => refuses(prompt));
      return refused === undefined ? null : { id: refused.rule.id, kind: refused.rule.kind };
    },
  };
}
