/** What quantising costs in text the bundled model never saw, and that the measure itself is right. */
import { fileURLToPath } from 'node:url';
import type { ModelBackend, StepBatch } from '@inkwell/ports';
import { expect, it } from 'vitest';
import { createNullBackend } from '../backends/null.ts';
import { loadModel } from '../load-model.ts';
import { BUILD_TIMEOUT_MS, nativeAddonPath } from '../testing/native-addon.ts';
import { heldOutDocuments } from './held-out.ts';
import { lossOf, perplexityOf } from './perplexity.ts';

const DIRECTORY = fileURLToPath(new URL('../../bundled/inkwell-small', import.meta.url));
/** Of the 35: a part of each is enough to compare two ways to compute. */
const DOCUMENTS = 35;
const TOKENS = 40;

/** Predicts by position alone: logit 1 for the token equal to the position of the row, 0 for others. */
function positionBackend(contextLength: number): ModelBackend {
  const backend = createNullBackend({ vocabSize: 100, contextLength, cycle: [1] });
  return {
    ...backend,
    async forward(step: StepBatch) {
      return [...step.logitsRows].map((row) =>
        new Float32Array(100).fill(0).fill(1, step.positions[row]!, step.positions[row]! + 1),
      );
    },
  };
}

it('scores every token after the first once, with at least half a window before it', async () => {
  const backend = positionBackend(8);
  const hit = Math.log(99 + Math.E) - 1;
  const miss = Math.log(99 + Math.E);
  // Token i stands at position i: the row at position p predicts token p + 1, never token p, so all miss …
  expect(await lossOf(backend, [[0, 1, 2, 3, 4]])).toEqual({ nats: 4 * miss, tokens: 4 });
  // … unless the text repeats itself one later.
  const repeated = await lossOf(backend, [[0, 0, 1, 2]]);
  expect(repeated.nats).toBeCloseTo(3 * hit, 10);
  // 20 tokens in windows of 8: the second begins at token 4 and is scored from token 8, its position 4.
  const long = await lossOf(backend, [Array.from({ length: 20 }, (_, i) => (i === 8 ? 3 : 50))]);
  expect(long.tokens).toBe(19);
  expect(long.nats).toBeCloseTo(18 * miss + hit, 10);
});

it(
  'int8 costs at most 0.5 % of the perplexity of held-out text, int4 and a KV cache of int4 at most 1 %, w4a8 at most 1.5 %',
  async () => {
    const perplexities: Record<string, number> = {};
    const addonPath = await nativeAddonPath();
    for (const [name, quantization, kvCache] of [
      ['none', 'none', 'auto'],
      ['int8', 'int8', 'auto'],
      ['kv4', 'int8', 'int4'],
      ['int4', 'int4', 'auto'],
      ['w4a8', 'w4a8', 'auto'],
    ] as const) {
      const { backend, tokenizer } = await loadModel(DIRECTORY, {
        quantization,
        kvCache,
        threads: 2,
        ...(quantization === 'w4a8' && { backend: 'native', addonPath }),
      });
      const documents = (await heldOutDocuments(tokenizer)).map((ids) => ids.slice(0, TOKENS));
      expect(documents.length).toBe(DOCUMENTS);
      perplexities[name] = perplexityOf(await lossOf(backend, documents));
      await backend.dispose();
    }
    const { none, int8, kv4, int4, w4a8 } = perplexities as Record<'none' | 'int8' | 'kv4' | 'int4' | 'w4a8', number>;
    expect(none).toBeGreaterThan(20);
    expect(none).toBeLessThan(120);
    expect(int8).not.toBe(none);
    expect(Math.abs(int8 / none - 1), `f32 ${none}, int8 ${int8}`).toBeLessThan(0.005);
    expect(kv4).not.toBe(int8);
    expect(Math.abs(kv4 / none - 1), `f32 ${none}, KV cache of int4 ${kv4}`).toBeLessThan(0.01);
    expect(int4).not.toBe(int8);
    expect(Math.abs(int4 / none - 1), `f32 ${none}, int4 ${int4}`).toBeLessThan(0.01);
    expect(w4a8).not.toBe(int4);
    expect(Math.abs(w4a8 / none - 1), `f32 ${none}, w4a8 ${w4a8}`).toBeLessThan(0.015);
  },
  BUILD_TIMEOUT_MS,
);
