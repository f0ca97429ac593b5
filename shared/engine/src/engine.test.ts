import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeltaEvent, foldEvents, type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { createNullBackend, loadTokenizer, type Tokenizer, writeRandomModel } from '@inkwell/gpt2';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine, type StepReport } from './engine.ts';
import { UnrunnableJobError } from './engine-job.ts';
import { createHashBackend, type HashBackend } from './testing/hash-backend.ts';
import { referenceText } from './testing/reference.ts';

const vocabSize = 300;
const contextLength = 96;
const bytes = (text: string) => [...new TextEncoder().encode(text)];
/** Letters and the bytes of é and 😀, so that characters come in halves, whole and broken. */
const alphabet = [...bytes('abc '), 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, vocabSize - 1];
const limits = { maxSequences: 6, stepTokenBudget: 16, promptLogitsPerStep: 8 };

let directory: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-engine-'));
  await writeRandomModel(
    directory,
    { n_layer: 1, n_head: 1, n_embd: 8, n_positions: contextLength, vocab_size: vocabSize },
    { seed: 1 },
  );
  tokenizer = await loadTokenizer(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function specOf(over: Partial<GenerationSpec> = {}): GenerationSpec {
  return {
    model: 'm',
    prompts: [bytes('hello')],
    maxTokens: 12,
    n: 1,
    bestOf: over.n ?? 1,
    stop: [],
    logprobs: null,
    echo: false,
    ignoreEos: false,
    ...over,
    sampling: { ...neutralSampling, seed: 42, ...over.sampling },
  };
}

function backend(blockCount = 400): HashBackend {
  return createHashBackend({ vocabSize, contextLength, blockSize: 4, blockCount, alphabet });
}

type Deltas = Map<string, DeltaEvent[]>;

function collect(into: Deltas, report: StepReport): void {
  for (const job of report.jobs) {
    expect(job.error).toBeNull();
    for (const delta of job.deltas) {
      const event: DeltaEvent = { type: 'job.delta', seq: 0, at: 0, ...delta };
      into.set(job.id, [...(into.get(job.id) ?? []), event]);
    }
  }
}

async function runAll(engine: Engine): Promise<Deltas> {
  const deltas: Deltas = new Map();
  while (!engine.idle) collect(deltas, await engine.step());
  return deltas;
}

async function runAlone(spec: GenerationSpec, delivered: number[][] = []): Promise<DeltaEvent[]> {
  const engine = new Engine(backend(), tokenizer, limits);
  engine.add('one', spec, delivered);
  return (await runAll(engine)).get('one') ?? [];
}

const arbitraryFilter = fc
  .record({
    phrases: fc.array(fc.constantFrom('ab', 'bc a', 'é', 'É b', 'a😀', 'hello a', 'c'), { minLength: 1, maxLength: 2 }),
    whole: fc.boolean(),
  })
  .map(({ phrases, whole }) => ({
    version: JSON.stringify([phrases, whole]),
    phrases: phrases.map((text, i) => ({ rule: `rule-${i}`, text, whole })),
    replacement: '[…]',
  }));

const arbitrarySpec = fc
  .record({
    prompts: fc.array(fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 30 }), {
      minLength: 1,
      maxLength: 2,
    }),
    maxTokens: fc.integer({ min: 1, max: 30 }),
    n: fc.integer({ min: 1, max: 2 }),
    stop: fc.array(fc.constantFrom('ab', 'a', 'é', '😀b', 'ca ', '\ufffd\ufffd'), { maxLength: 2 }),
    logprobs: fc.constantFrom(null, 0, 2),
    echo: fc.boolean(),
    ignoreEos: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1_000_000 }),
    temperature: fc.constantFrom(0, 0.7, 1.5),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    outputFilter: fc.option(arbitraryFilter, { nil: undefined }),
  })
  .map(({ seed, temperature, repetitionPenalty, ...rest }) =>
    specOf({ ...rest, sampling: { ...specOf().sampling, seed, temperature, repetitionPenalty } }),
  );

describe('Engine', () => {
  it('draws for every job exactly the text of the definition, beside any others and with blocks running out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitrarySpec, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 25, max: 80 }),
        async (specs, blockCount) => {
          const model = backend(blockCount);
          const engine = new Engine(model, tokenizer, limits);
          for (const [i, spec] of specs.entries()) engine.add(`job${i}`, spec);
          const deltas = await runAll(engine);
          expect(engine.load).toEqual({ runningSequences: 0, waitingSequences: 0, usedBlocks: 0 });
          specs.forEach((spec, i) => {
            const folded = foldEvents(spec, deltas.get(`job${i}`)!);
            folded.result.choices.forEach((choice, index) => {
              const expected = referenceText(spec, index, tokenizer, contextLength, model.logitsAfter);
              expect(folded.tokens[index]).toEqual(expected.tokens);
              expect(choice.text).toBe(expected.text);
              expect(choice.finish_reason).toBe(expected.finishReason);
              if (spec.logprobs !== null && spec.outputFilter === undefined)
                expect(choice.logprobs!.token_logprobs.slice(-expected.logprobs.length)).toEqual(expected.logprobs);
            });
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('continues exactly from every token position: text, logprobs and reasons of a restarted job equal an undisturbed one', async () => {
    await fc.assert(
      fc.asyncProperty(arbitrarySpec, async (spec) => {
        const whole = await runAlone(spec);
        for (let cut = 0; cut <= whole.length; cut++) {
          const before = whole.slice(0, cut);
          const after = await runAlone(spec, foldEvents(spec, before).tokens);
          expect(foldEvents(spec, [...before, ...after])).toEqual(foldEvents(spec, whole));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('preempts by recomputation without changing a token', async () => {
    const specs = Array.from({ length: 6 }, (_, i) =>
      specOf({
        prompts: [bytes('once upon a time')],
        maxTokens: 60,
        ignoreEos: true,
        sampling: { ...specOf().sampling, seed: i },
      }),
    );
    const scarce = backend(40);
    const engine = new Engine(scarce, tokenizer, limits);
    for (const [i, spec] of specs.entries()) engine.add(`${i}`, spec);
    const crowded = await runAll(engine);
    for (const [i, spec] of specs.entries()) {
      expect(foldEvents(spec, crowded.get(`${i}`)!)).toEqual(foldEvents(spec, await runAlone(spec)));
    }
    // Six times 76 positions do not fit 160: somebody was preempted and computed again.
    const undisturbed = 6 * 60;
    expect(scarce.steps).toBeGreaterThan(undisturbed / 6);
    expect(engine.preemptions).toBeGreaterThan(0);
  });

  it('keeps the n best of bestOf by mean log-probability and shows nothing before', async () => {
    const spec = specOf({ n: 2, bestOf: 5, maxTokens: 8, logprobs: 1, ignoreEos: true });
    const model = backend();
    const engine = new Engine(model, tokenizer, limits);
    engine.add('best', spec);
    const reports: StepReport[] = [];
    while (!engine.idle) reports.push(await engine.step());
    const shown = reports.filter((report) => report.jobs.some((job) => job.deltas.length > 0));
    expect(shown).toHaveLength(1);
    const job = reports.at(-1)!.jobs[0]!;
    expect(job.usage).toEqual({ prompt_tokens: 5, completion_tokens: 40, total_tokens: 45 });
    const texts = [0, 1, 2, 3, 4].map((i) => referenceText(spec, i, tokenizer, contextLength, model.logitsAfter));
    const mean = (text: { logprobs: number[] }) =>
      text.logprobs.reduce((sum, one) => sum + one, 0) / text.logprobs.length;
    const best = texts.sort((a, b) => mean(b) - mean(a)).slice(0, 2);
    expect(job.deltas.map((delta) => delta.delta)).toEqual(best.map((one) => one.text));
    expect(job.deltas.map((delta) => delta.logprobs?.token_logprobs)).toEqual(best.map((one) => one.logprobs));
  });

  it('echoes the prompt with its log-probabilities, the first null, the others by the model alone', async () => {
    const prompt = bytes('a é b');
    const spec = specOf({ prompts: [prompt], echo: true, logprobs: 2, maxTokens: 3, ignoreEos: true });
    const { result } = foldEvents(spec, await runAlone(spec));
    const block = result.choices[0]!.logprobs!;
    expect(result.choices[0]!.text.startsWith('a é b')).toBe(true);
    expect(block.tokens.slice(0, 6)).toEqual(['a', ' ', 'bytes:\\xc3', 'bytes:\\xa9', ' ', 'b']);
    expect(block.text_offset.slice(0, 7)).toEqual([0, 1, 2, 2, 3, 4, 5]);
    expect(block.token_logprobs[0]).toBeNull();
    expect(block.top_logprobs![0]).toBeNull();
    expect(block.tokens).toHaveLength(9);
    const model = backend();
    for (let i = 1; i < prompt.length; i++) {
      const logits = model.logitsAfter(prompt.slice(0, i));
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      expect(block.token_logprobs[i]).toBeCloseTo(logits[prompt[i]!]! - Math.log(sum), 6);
      const alternatives = Object.values(block.top_logprobs![i]!);
      expect(alternatives.length).toBeGreaterThanOrEqual(2);
      expect(Object.keys(block.top_logprobs![i]!)).toContain(block.tokens[i]);
    }
  });

  it('frees slot and blocks of an aborted job at once, also in the middle of a step, and says nothing more of it', async () => {
    const engine = new Engine(backend(), tokenizer, limits);
    engine.add('gone', specOf({ n: 3, maxTokens: 50, ignoreEos: true }));
    engine.add('stays', specOf({ maxTokens: 5, ignoreEos: true }));
    await engine.step();
    const step = engine.step();
    engine.abort('gone');
    expect(engine.load.runningSequences).toBe(1);
    const report = await step;
    expect(report.jobs.map((job) => job.id)).toEqual(['stays']);
    engine.abort('gone');
    const rest = await runAll(engine);
    expect([...rest.keys()]).toEqual(['stays']);
    expect(engine.load.usedBlocks).toBe(0);
  });

  it('ends with length where the context ends', async () => {
    const spec = specOf({ prompts: [bytes('x'.repeat(contextLength - 3))], maxTokens: 50, ignoreEos: true });
    const { result, tokens } = foldEvents(spec, await runAlone(spec));
    expect(tokens[0]).toHaveLength(3);
    expect(result.choices[0]!.finish_reason).toBe('length');
  });

  it('refuses what can never run and changes nothing', () => {
    const engine = new Engine(backend(), tokenizer, limits);
    expect(() => engine.add('a', specOf({ prompts: [[]] }))).toThrow(UnrunnableJobError);
    expect(() => engine.add('a', specOf({ prompts: [bytes('x'.repeat(contextLength))] }))).toThrow(UnrunnableJobError);
    expect(() => engine.add('a', specOf({ prompts: [[vocabSize]] }))).toThrow('no token 300');
    expect(() => engine.add('a', specOf({ n: 2, bestOf: 1 }))).toThrow(UnrunnableJobError);
    expect(engine.idle).toBe(true);
    engine.add('a', specOf());
    expect(() => engine.add('a', specOf())).toThrow('already');
  });

  it('fails a job whose logits cannot be sampled and goes on with the others', async () => {
    const sick = backend();
    const engine = new Engine(
      {
        info: sick.info,
        dispose: () => sick.dispose(),
        async forward(batch) {
          const rows = await sick.forward(batch);
          return rows.map((row, i) =>
            batch.tokens[batch.logitsRows[i]!] === 0x7a ? new Float32Array(vocabSize).fill(Number.NaN) : row,
          );
        },
      },
      tokenizer,
      limits,
    );
    engine.add('sick', specOf({ prompts: [bytes('xyz')] }));
    engine.add('well', specOf({ maxTokens: 3, ignoreEos: true }));
    const first = await engine.step();
    expect(first.jobs.find((job) => job.id === 'sick')?.error).toMatch(/logit/);
    expect([...(await runAll(engine)).keys()]).toEqual(['well']);
  });

  it('reports a continued job that lacked nothing as ended, without a step', async () => {
    const spec = specOf({ maxTokens: 4, ignoreEos: true });
    const tokens = foldEvents(spec, await runAlone(spec)).tokens;
    const engine = new Engine(backend(), tokenizer, limits);
    engine.add('done', spec, tokens);
    const report = await engine.step();
    expect(report.jobs).toEqual([
      { id: 'done', deltas: [], usage: { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 }, error: null },
    ]);
    expect(engine.idle).toBe(true);
  });

  it('runs on the null backend, whose answer is known beforehand', async () => {
    const cycle = bytes('0123456789');
    const engine = new Engine(createNullBackend({ vocabSize, contextLength, cycle }), tokenizer);
    engine.add('null', specOf({ prompts: [bytes('abc')], maxTokens: 8 }));
    const deltas = (await runAll(engine)).get('null')!;
    expect(deltas.map((delta) => delta.delta).join('')).toBe('34567890');
  });

  it('never draws an id that pads the output layer beyond the vocabulary', async () => {
    const padded = createNullBackend({ vocabSize: vocabSize + 50, contextLength, cycle: [vocabSize + 20] });
    const engine = new Engine(padded, tokenizer);
    engine.add('padded', specOf({ prompts: [bytes('abc')], maxTokens: 4, ignoreEos: true }));
    const tokens = (await runAll(engine)).get('padded')!.flatMap((delta) => delta.tokens);
    expect(tokens).toHaveLength(4);
    expect(Math.max(...tokens)).toBeLessThan(vocabSize);
  });
});
