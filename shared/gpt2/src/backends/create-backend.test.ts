/** What `auto` takes where WebAssembly has no memory for us. A file of its own: the runtime starts once per process. */
import { setFlagsFromString } from 'node:v8';
import { expect, it } from 'vitest';
import { loadModel } from '../load-model.ts';
import { testData } from '../testing/paths.ts';
import { greedy } from '../testing/run-sequence.ts';

it('auto computes in JavaScript where WebAssembly does not start, says why, and draws the same tokens', async () => {
  // Less than the runtime asks for at its start.
  setFlagsFromString('--wasm-max-mem-pages=100');
  const directory = testData('parity/plain-f32');
  await expect(loadModel(directory, { backend: 'wasm' })).rejects.toThrow(/memory/i);
  const { backend } = await loadModel(directory);
  expect(backend.info.name).toBe('tfjs');
  expect(backend.info.device).toMatch(/JavaScript.*; no wasm: .*memory/i);
  const { prompt, greedy: expected } = (await import(`${directory}/expected.json`, { with: { type: 'json' } }))
    .default as { prompt: number[]; greedy: number[] };
  expect(await greedy(backend, prompt, expected.length)).toEqual(expected);
  await backend.dispose();
});

it.each([
  [
    { backend: 'tfjs', quantization: 'int8' },
    "quantization int8: TensorFlow.js's own operations compute with floats, use none or auto",
  ],
  [
    { backend: 'tfjs', kvCache: 'int4' },
    "kvCache int4: TensorFlow.js's own operations keep keys and values as floats, use auto",
  ],
  [
    { backend: 'wasm', quantization: 'none', kvCache: 'int4' },
    'kvCache int4: weights that are floats have keys and values that are, use auto',
  ],
  [
    { backend: 'auto', quantization: 'none', kvCache: 'int8' },
    'kvCache int8: weights that are floats have keys and values that are, use auto',
  ],
  [
    { backend: 'webgpu', quantization: 'int8', kvCache: 'int4' },
    'kvCache int4: the webgpu backend keeps keys and values as floats, use auto',
  ],
] as const)('what a backend cannot keep as asked, it says: %o', async (options, message) => {
  await expect(loadModel(testData('parity/plain-f32'), options)).rejects.toThrow(message);
});
