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
import { maxDifference, PARITY_MODELS, type ParityFixture, parityFixture } from './testing/parity-fixture.ts';
import { greedy, promptLogits } from './testing/run-sequence.ts';

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

const CASES = PARITY_MODELS.flatMap((name) =>
  Object.entries(BACKENDS).map(([backend, load]) => ({ name, backend, load })),
);

describe.each(CASES)('parity with transformers: $name on $backend', ({ name, load }) => {
  let fixture: ParityFixture;
  let model: LoadedModel;

  beforeAll(async () => {
    fixture = await parityFixture(name);
    model = await load(fixture.directory);
  });
  afterAll(async () => {
    await model.backend.dispose();
    expect(memory().numTensors, 'dispose frees every tensor').toBe(0);
  });

  it('logits differ by at most 1e-3', async () => {
    const rows = await promptLogits(model.backend, fixture.prompt);
    expect(fixture.logits.size).toBeGreaterThan(0);
    for (const [position, logits] of fixture.logits) {
      expect(maxDifference(rows[position]!, logits), `position ${position}`).toBeLessThanOrEqual(1e-3);
    }
  });

  it('greedy ids and text are the same', async () => {
    const ids = await greedy(model.backend, fixture.prompt, fixture.greedy.length);
    expect(fixture.greedy.length).toBeGreaterThanOrEqual(32);
    expect(ids).toEqual(fixture.greedy);
    expect(model.tokenizer.decode(ids)).toBe(fixture.text);
  });
});
