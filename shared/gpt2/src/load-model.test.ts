/** Every way a model directory can be wrong is refused by name, and leaves nothing behind in the heap. */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from './load-model.ts';
import { writeRandomModel } from './random-model.ts';
import { SafetensorsFile } from './safetensors/reader.ts';
import { writeSafetensors } from './safetensors/writer.ts';
import { testData } from './testing/paths.ts';
import { greedy, stepOf, tableFrom } from './testing/run-sequence.ts';

const SHAPE = { n_layer: 2, n_head: 2, n_embd: 16, n_positions: 32, vocab_size: 300 };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-model-'));
  await writeRandomModel(directory, SHAPE, { seed: 5 });
});
afterEach(() => rm(directory, { recursive: true }));

/** Rewrites the weights with one tensor's values or shape changed, or the tensor left out. */
async function editTensor(
  name: string,
  edit: (tensor: {
    shape: readonly number[];
    values: Float32Array;
  }) => { shape: readonly number[]; values: Float32Array } | null,
): Promise<void> {
  const path = join(directory, 'model.safetensors');
  const tensors = [];
  {
    await using file = await SafetensorsFile.open(path);
    for (const entry of file.entries) {
      const tensor = { shape: entry.shape, values: await file.read(entry.name, entry.shape) };
      const edited = entry.name === name ? edit(tensor) : tensor;
      if (edited) tensors.push({ name: entry.name, shape: edited.shape, values: () => edited.values });
    }
  }
  await writeSafetensors(path, tensors, 'F32');
}

async function expectRefused(message: string): Promise<void> {
  await expect(loadModel(directory, { threads: 1 })).rejects.toThrow(message);
  expect(memory().numTensors, 'a refused model leaves no tensor').toBe(0);
}

describe('loadModel refuses', () => {
  it('a missing tensor', async () => {
    await editTensor('h.1.mlp.c_proj.bias', () => null);
    await expectRefused('tensor h.1.mlp.c_proj.bias: is missing');
  });

  it('a tensor of another shape', async () => {
    await editTensor('h.0.attn.c_attn.weight', ({ values }) => ({ shape: [48, 16], values }));
    await expectRefused('tensor h.0.attn.c_attn.weight: has shape [48,16], config.json implies [16,48]');
  });

  it('a weight that is not a number', async () => {
    await editTensor('ln_f.bias', ({ shape, values }) => ({ shape, values: values.fill(Number.NaN, 3, 4) }));
    await expectRefused('tensor ln_f.bias: value 3 is NaN');
  });

  it('weights cut short', async () => {
    await truncate(join(directory, 'model.safetensors'), 20_000);
    await expectRefused('truncated');
  });

  it('a configuration that does not fit the weights', async () => {
    await writeFile(join(directory, 'config.json'), JSON.stringify({ ...SHAPE, n_layer: 3 }));
    await expectRefused('tensor h.2.ln_1.weight: is missing');
  });

  it('untied embeddings without an output matrix', async () => {
    await writeFile(join(directory, 'config.json'), JSON.stringify({ ...SHAPE, tie_word_embeddings: false }));
    await expectRefused('tensor lm_head.weight: is missing');
  });

  it('a vocabulary larger than the embedding', async () => {
    await writeFile(join(directory, 'config.json'), JSON.stringify({ ...SHAPE, vocab_size: 299 }));
    await expectRefused('vocab.json: has ids up to 299, config.json says vocab_size 299');
  });

  it.each(['config.json', 'vocab.json', 'merges.txt', 'model.safetensors'])('a directory without %s', async (name) => {
    await rm(join(directory, name));
    await expectRefused(name);
  });

  it.each(['config.json', 'vocab.json'])('%s that is not JSON', async (name) => {
    await writeFile(join(directory, name), '{"n_layer": NaN}');
    await expectRefused(`${name}: not valid JSON`);
  });

  it('a merge of unknown tokens, by its line', async () => {
    await writeFile(join(directory, 'merges.txt'), '#version: 0.2\na b\nxyz q\n');
    await expectRefused('merges.txt: line 2 is not a pair of tokens');
  });

  it.each([{ threads: 0 }, { threads: 1.5 }, { blockSize: -1 }, { blockCount: Number.NaN }])(
    'the options %j',
    async (options) => {
      await expect(loadModel(directory, options)).rejects.toThrow(
        `${Object.keys(options)[0]} must be a whole number from 1`,
      );
    },
  );

  it('a KV cache larger than the heap, before allocating it', async () => {
    await expect(loadModel(directory, { threads: 1, blockCount: 2 ** 24 })).rejects.toThrow('use fewer KV blocks');
    expect(memory().numTensors).toBe(0);
  });
});

describe('a loaded model', () => {
  it('reports progress up to the whole', async () => {
    const seen: number[] = [];
    const { backend } = await loadModel(directory, {
      threads: 1,
      onProgress: ({ loadedBytes, totalBytes }) => seen.push(loadedBytes / totalBytes),
    });
    await backend.dispose();
    expect(seen.length).toBe(28);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it('is the same with and without the transformer. prefix', async () => {
    const plain = await loadModel(testData('parity/plain-f32'), { threads: 1 });
    const expected = await greedy(plain.backend, [1, 2, 3], 8);
    await plain.backend.dispose();
    await cp(testData('parity/plain-f32'), directory, { recursive: true });
    const path = join(directory, 'model.safetensors');
    const names = (await readFile(path)).toString('latin1');
    expect(names).not.toContain('transformer.');
    const tensors = [];
    {
      await using file = await SafetensorsFile.open(path);
      for (const { name, shape, dtype } of file.entries) {
        if (dtype !== 'F32') continue;
        const values = await file.read(name, shape);
        tensors.push({ name: `transformer.${name}`, shape, values: () => values });
      }
    }
    await writeSafetensors(path, tensors, 'F32');
    const prefixed = await loadModel(directory, { threads: 1 });
    expect(await greedy(prefixed.backend, [1, 2, 3], 8)).toEqual(expected);
    await prefixed.backend.dispose();
  });

  it('leaks no tensor however often it steps, and frees all on dispose', async () => {
    const { backend } = await loadModel(directory, { threads: 2 });
    const resident = memory();
    await greedy(backend, [1, 2, 3, 4, 5], 20);
    expect(memory()).toEqual(resident);
    await backend.dispose();
    await backend.dispose();
    expect(memory().numBytes).toBe(0);
    const step = stepOf([{ ids: [1], from: 0, table: tableFrom(backend) }], 'last');
    await expect(backend.forward(step)).rejects.toThrow('disposed');
  });

  it('refuses a step that would reach outside its memory, and goes on', async () => {
    const { backend } = await loadModel(directory, { threads: 1, blockCount: 4 });
    const table = Int32Array.of(0, 1);
    const good = stepOf([{ ids: [1, 2], from: 0, table }], 'last');
    const bad: [string, Partial<typeof good>][] = [
      ['token 300', { tokens: Int32Array.of(1, 300) }],
      ['token -1', { tokens: Int32Array.of(-1, 0) }],
      ['position 32', { positions: Int32Array.of(31, 32) }],
      ['beyond its block table', { positions: Int32Array.of(0, 16), blockTables: [Int32Array.of(0)] }],
      ['no block table', { sequences: Int32Array.of(0, 1) }],
      ['block 4 does not exist', { blockTables: [Int32Array.of(0, 4)] }],
      ['row 2 of 2', { logitsRows: Int32Array.of(2) }],
      ['do not fit the heap', { logitsRows: new Int32Array(4_000_000) }],
      ['same, non-zero length', { tokens: Int32Array.of(1) }],
      [
        'same, non-zero length',
        { tokens: new Int32Array(0), positions: new Int32Array(0), sequences: new Int32Array(0) },
      ],
    ];
    const expected = await backend.forward(good);
    for (const [message, change] of bad) {
      await expect(backend.forward({ ...good, ...change })).rejects.toThrow(message);
    }
    expect(await backend.forward(good)).toEqual(expected);
    expect(await backend.forward({ ...good, logitsRows: new Int32Array(0) })).toEqual([]);
    await backend.dispose();
  });
});
