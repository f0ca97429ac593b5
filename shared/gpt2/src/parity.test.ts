/**
 * Our GPT-2 against Hugging Face transformers, on fixtures made by parity/make_fixtures.py: six configurations that
 * differ in every switch and stress every odd size.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPlainBackend } from './backends/tfjs/backend.ts';
import { startPlatform } from './backends/tfjs/platform.ts';
import { parseConfig } from './config.ts';
import { type LoadedModel, loadModel } from './load-model.ts';
import { SafetensorsFile } from './safetensors/reader.ts';
import { testData } from './testing/paths.ts';
import { greedy, promptLogits } from './testing/run-sequence.ts';

const MODELS = [
  'plain-f32',
  'odd-sizes-f32',
  'scaled-layers-f16',
  'unscaled-bf16',
  'deep-tanh-f32',
  'wide-context-f16',
] as const;

/** TensorFlow.js's own operations in JavaScript, which `tfjs` takes where WebAssembly does not start. */
async function loadOnCpu(directory: string): Promise<LoadedModel> {
  const model = await loadModel(directory, { backend: 'tfjs' });
  await model.backend.dispose();
  await using file = await SafetensorsFile.open(join(directory, 'model.safetensors'));
  const json = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  return { ...model, backend: await createPlainBackend(() => startPlatform('cpu'), file, parseConfig(json), {}) };
}

const BACKENDS = {
  wasm: (directory: string) => loadModel(directory, { backend: 'wasm', threads: 2, quantization: 'none' }),
  tfjs: (directory: string) => loadModel(directory, { backend: 'tfjs' }),
  'tfjs in JavaScript': loadOnCpu,
} as const;

interface Expected {
  readonly why: string;
  readonly prompt: number[];
  readonly greedy: number[];
  readonly text: string;
  readonly shape: [number, number];
}

async function expectedLogits(directory: string, vocabSize: number): Promise<Map<number, Float32Array>> {
  const bytes = await readFile(join(directory, 'logits.f32'));
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const count = values[0]!;
  const start = 1 + count;
  return new Map(
    Array.from({ length: count }, (_, i) => [
      values[1 + i]!,
      values.subarray(start + i * vocabSize, start + (i + 1) * vocabSize),
    ]),
  );
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

const CASES = MODELS.flatMap((name) => Object.entries(BACKENDS).map(([backend, load]) => ({ name, backend, load })));

describe.each(CASES)('parity with transformers: $name on $backend', ({ name, load }) => {
  const directory = testData(`parity/${name}`);
  let expected: Expected;
  let model: LoadedModel;

  beforeAll(async () => {
    expected = JSON.parse(await readFile(join(directory, 'expected.json'), 'utf8'));
    model = await load(directory);
  });
  afterAll(async () => {
    await model.backend.dispose();
    expect(memory().numTensors, 'dispose frees every tensor').toBe(0);
  });

  it('logits differ by at most 1e-3', async () => {
    const rows = await promptLogits(model.backend, expected.prompt);
    const reference = await expectedLogits(directory, expected.shape[1]);
    expect(reference.size).toBeGreaterThan(0);
    for (const [position, logits] of reference) {
      expect(maxDifference(rows[position]!, logits), `position ${position}`).toBeLessThanOrEqual(1e-3);
    }
  });

  it('greedy ids and text are the same', async () => {
    const ids = await greedy(model.backend, expected.prompt, expected.greedy.length);
    expect(expected.greedy.length).toBeGreaterThanOrEqual(32);
    expect(ids).toEqual(expected.greedy);
    expect(model.tokenizer.decode(ids)).toBe(expected.text);
  });
});
