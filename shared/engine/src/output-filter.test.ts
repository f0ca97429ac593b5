/** What a job with banned phrases may show, token by token: in its text, in its logprobs and wherever it is continued. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Choice,
  type DeltaEvent,
  foldEvents,
  type GenerationSpec,
  neutralSampling,
  type OutputFilter,
} from '@inkwell/contracts';
import { createNullBackend, loadTokenizer, type Tokenizer, writeRandomModel } from '@inkwell/gpt2';
import type { ModelBackend } from '@inkwell/ports';
import { findBanned, PhraseFilter } from '@inkwell/safety';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import { createHashBackend } from './testing/hash-backend.ts';

const vocabSize = 300;
const contextLength = 96;
const limits = { maxSequences: 6, stepTokenBudget: 16, promptLogitsPerStep: 8 };
const bytes = (text: string) => [...new TextEncoder().encode(text)];

let directory: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-filter-'));
  await writeRandomModel(
    directory,
    { n_layer: 1, n_head: 1, n_embd: 8, n_positions: contextLength, vocab_size: vocabSize },
    { seed: 1 },
  );
  tokenizer = await loadTokenizer(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const filterOf = (phrases: readonly string[], whole = false): OutputFilter => ({
  version: JSON.stringify([phrases, whole]),
  phrases: phrases.map((text, i) => ({ rule: `rule-${i}`, text, whole })),
  replacement: '[…]',
});

function specOf(over: Partial<GenerationSpec>): GenerationSpec {
  return {
    model: 'm',
    prompts: [bytes('x')],
    maxTokens: 20,
    n: 1,
    bestOf: over.n ?? 1,
    stop: [],
    logprobs: null,
    echo: false,
    ignoreEos: true,
    ...over,
    sampling: { ...neutralSampling, temperature: 0, seed: 1, ...over.sampling },
  };
}

/** Runs a job on a model that says the text over and over, a byte a token, beginning where the prompt ends. */
function run(text: string, spec: GenerationSpec, delivered: number[][] = []): Promise<DeltaEvent[]> {
  const cycle = bytes(text);
  return runOn(createNullBackend({ vocabSize, contextLength, cycle, paceMs: 0, blockCount: 60 }), spec, delivered);
}

async function runOn(backend: ModelBackend, spec: GenerationSpec, delivered: number[][] = []): Promise<DeltaEvent[]> {
  const engine = new Engine(backend, tokenizer, limits);
  engine.add('job', spec, delivered);
  const events: DeltaEvent[] = [];
  while (!engine.idle) {
    for (const { deltas, error } of (await engine.step()).jobs) {
      expect(error).toBeNull();
      for (const delta of deltas) events.push({ type: 'job.delta', seq: 0, at: 0, ...delta });
    }
  }
  return events;
}

const phrases = ['ab', 'b c', 'é', 'c a'];
const spec = fc
  .record({
    n: fc.integer({ min: 1, max: 2 }),
    stop: fc.array(fc.constantFrom('b', ' c', 'aé'), { maxLength: 1 }),
    logprobs: fc.constantFrom(null, 0, 3),
    echo: fc.boolean(),
    banned: fc.subarray(phrases, { minLength: 1 }),
    whole: fc.boolean(),
    prompt: fc.constantFrom('x', 'x a', 'ab', 'x b '),
  })
  .map(({ banned, whole, prompt, ...rest }) =>
    specOf({ ...rest, prompts: [bytes(prompt)], outputFilter: filterOf(banned, whole) }),
  );
const saying = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'é'), minLength: 1, maxLength: 8 });

describe('a job with banned phrases', () => {
  it('shows nothing of them in any delta, text or logprobs, and goes on exactly from every event', async () => {
    await fc.assert(
      fc.asyncProperty(spec, saying, async (job, text) => {
        const whole = await run(text, job);
        for (let cut = 0; cut <= whole.length; cut++) {
          const before = foldEvents(job, whole.slice(0, cut));
          for (const choice of before.result.choices) expectClean(choice, job.outputFilter!);
          const after = await run(text, job, before.tokens);
          expect(foldEvents(job, [...whole.slice(0, cut), ...after])).toEqual(foldEvents(job, whole));
        }
      }),
      { numRuns: 60 },
    );
  });

  /** Nothing banned in what is shown so far; tokens are named as far as their text is shown. */
  function expectClean({ text, logprobs, finish_reason }: Choice, filter: OutputFilter): void {
    const own = finish_reason === 'content_filter' ? text.slice(0, -filter.replacement.length) : text;
    // A word at the end of unfinished text is shown only when it is known to go on.
    expect(finish_reason === null ? new PhraseFilter(filter).write(own).rule : findBanned(filter, own)).toBeNull();
    if (logprobs === null) return;
    const named = decodeNames(logprobs.tokens);
    if (finish_reason === null) expect(named).toBe(own);
    else expect(own.startsWith(named)).toBe(true);
  }

  /** The text that tokens named in logprobs make together. */
  function decodeNames(names: readonly string[]): string {
    const parts = names.map((name) =>
      name.startsWith('bytes:')
        ? Uint8Array.from(
            name
              .slice(6)
              .match(/[0-9a-f]{2}/g)!
              .map((byte) => Number.parseInt(byte, 16)),
          )
        : new TextEncoder().encode(name),
    );
    return new TextDecoder().decode(Buffer.concat(parts));
  }

  it('ends with the reason, the rule and the replacement, before the phrase', async () => {
    const events = await run(' so bad', specOf({ outputFilter: filterOf(['bad']), logprobs: 1 }));
    const { result } = foldEvents(specOf({ logprobs: 1 }), events);
    expect(result.choices[0]).toMatchObject({ text: 'so […]', finish_reason: 'content_filter' });
    expect(result.choices[0]!.logprobs!.tokens).toEqual(['s', 'o', ' ']);
    expect(events.at(-1)!.filteredBy).toBe('rule-0');
    expect(result.usage.completion_tokens).toBe(6);
  });

  it('leaves banned words out of the alternatives', async () => {
    const alphabet = bytes('qrt');
    const named = async (banned: string) => {
      const backend = createHashBackend({ vocabSize, contextLength, blockSize: 4, blockCount: 60, alphabet });
      const job = specOf({ logprobs: 3, maxTokens: 8, outputFilter: filterOf([banned]) });
      const { result } = foldEvents(job, await runOn(backend, job));
      return new Set(result.choices[0]!.logprobs!.top_logprobs!.flatMap((top) => Object.keys(top!)));
    };
    const all = await named('nothing');
    expect([...all].sort()).toEqual(['q', 'r', 't']);
    for (const banned of all) expect(await named(banned)).not.toContain(banned);
  });

  it('of which one choice is ended still finishes the others', async () => {
    const job = specOf({
      prompts: [bytes('x'), bytes('bad')],
      echo: true,
      maxTokens: 4,
      outputFilter: filterOf(['bad']),
    });
    const { result } = foldEvents(job, await run('o ', job));
    expect(result.choices.map((choice) => [choice.text, choice.finish_reason])).toEqual([
      ['x o o', 'length'],
      ['[…]', 'content_filter'],
    ]);
  });
});
