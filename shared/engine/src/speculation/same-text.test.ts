/**
 * Drafts change no token: streams with and without them are compared delta by delta, text for text and logprob for logprob, on a model that hashes its
 * cache, and on the real ones with every kind of weights.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerationSpec, joinLogprobs, neutralSampling } from '@inkwell/contracts';
import { loadTokenizer, type Tokenizer, writeRandomModel } from '@inkwell/gpt2';
import { loadModel } from '@inkwell/gpt2/tfjs';
import type { ModelBackend } from '@inkwell/ports';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CandidateDelta } from '../candidate-delta.ts';
import { Engine } from '../engine.ts';
import { createHashBackend } from '../testing/hash-backend.ts';
import type { SpeculationMode } from './speculator.ts';

const contextLength = 160;
const vocabSize = 300;
let directory: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-speculation-'));
  const shape = { n_layer: 2, n_head: 4, n_embd: 48, n_positions: contextLength, vocab_size: vocabSize };
  await writeRandomModel(directory, shape, { seed: 11 });
  tokenizer = await loadTokenizer(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Prompts of few different tokens, so that lookups find something; texts of all lengths. */
function specOf(i: number): GenerationSpec {
  return {
    model: 'm',
    prompts: [Array.from({ length: 6 + 5 * i }, (_, k) => 97 + ((k * (i + 1)) % (2 + (i % 4))))],
    maxTokens: 20 + ((i * 13) % 60),
    n: 1 + (i % 2),
    bestOf: i % 5 === 0 ? 3 : 1 + (i % 2),
    sampling: {
      ...neutralSampling,
      temperature: i % 3 === 0 ? 0 : 0.7,
      topP: i % 4 === 0 ? 0.8 : 1,
      frequencyPenalty: i % 6 === 5 ? 0.4 : 0,
      // Makes texts that say a few things over and over, as drafts want them.
      logitBias: { 97: 4, 98: 4, 99: 3 },
      seed: 1000 + i,
    },
    stop: i % 4 === 3 ? ['cab'] : [],
    logprobs: i % 2 === 0 ? 2 : null,
    echo: i % 7 === 6,
    ignoreEos: true,
  };
}

interface Told {
  /** Per job and index everything its reader was told. */
  texts: Map<string, CandidateDelta>;
  drafted: number;
  accepted: number;
  steps: number;
}

async function run(backend: ModelBackend, ids: readonly number[], mode: SpeculationMode, budget = 64): Promise<Told> {
  const limits = { maxSequences: 12, stepTokenBudget: budget, promptLogitsPerStep: 8 };
  const engine = new Engine(backend, tokenizer, limits, mode);
  for (const id of ids) engine.add(`${id}`, specOf(id), [], 'tenant');
  const texts = new Map<string, CandidateDelta>();
  let steps = 0;
  for (; !engine.idle; steps++) {
    for (const job of (await engine.step()).jobs) {
      expect(job.error).toBeNull();
      for (const { index, ...delta } of job.deltas) {
        const before = texts.get(`${job.id}/${index}`);
        const { finishReason } = delta;
        const joined = {
          delta: (before?.delta ?? '') + delta.delta,
          tokens: [...(before?.tokens ?? []), ...delta.tokens],
          logprobs: joinLogprobs(before?.logprobs ?? null, delta.logprobs),
          finishReason,
        };
        texts.set(`${job.id}/${index}`, joined);
      }
    }
  }
  return { texts, ...engine.speculation, steps };
}

const everyone = Array.from({ length: 12 }, (_, i) => i);

describe('a text is the same with drafts and without', () => {
  const hashed = (blockCount: number) =>
    createHashBackend({ vocabSize, contextLength, blockSize: 4, blockCount, alphabet: [97, 98, 99] });

  it('on a model that hashes its cache, whoever is beside it, however scarce blocks are (seed 8)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 60, max: 200 }),
        fc.integer({ min: 13, max: 64 }),
        async (ids, blockCount, budget) => {
          const plain = await run(hashed(400), ids, 'off');
          const always = await run(hashed(blockCount), ids, 'always', budget);
          expect(always.texts).toEqual(plain.texts);
        },
      ),
      { seed: 8, numRuns: 40 },
    );
  });

  it('drafts are both accepted and refused in that', async () => {
    const { drafted, accepted, steps } = await run(hashed(400), everyone, 'always');
    expect(accepted).toBeGreaterThan(50);
    expect(drafted - accepted).toBeGreaterThan(50);
    expect(steps).toBeLessThan((await run(hashed(400), everyone, 'off')).steps);
  });

  it.each([
    { backend: 'wasm', quantization: 'none' },
    { backend: 'wasm', quantization: 'int8' },
    { backend: 'wasm', quantization: 'int8', kvCache: 'int4' },
    { backend: 'tfjs', quantization: 'none' },
  ] as const)(
    'on $backend with $quantization weights (KV cache: $kvCache), alone and among others',
    async (options) => {
      const model = await loadModel(directory, { ...options, threads: 2 });
      const plain = await run(model.backend, everyone, 'off');
      const always = await run(model.backend, everyone, 'always');
      expect(always.texts).toEqual(plain.texts);
      expect(always.accepted).toBeGreaterThan(20);
      expect(always.drafted - always.accepted).toBeGreaterThan(20);
      expect((await run(model.backend, everyone, 'auto')).texts).toEqual(plain.texts);
      for (const id of everyone) {
        const alone = await run(model.backend, [id], 'always');
        for (const [key, text] of alone.texts) expect(text).toEqual(plain.texts.get(key));
      }
      await model.backend.dispose();
    },
  );
});
