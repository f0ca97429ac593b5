/** The cache of quantised weights: what it gives back is what quantising gives, and nothing unfit is ever used. */
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadModel } from '../../../load-model.ts';
import { writeRandomModel } from '../../../random-model.ts';
import { promptLogits } from '../../../testing/run-sequence.ts';

const SHAPE = { n_layer: 2, n_head: 2, n_embd: 24, n_positions: 32, vocab_size: 300 };
const IDS = [5, 250, 17, 3, 99];

let directory: string;
let cacheDirectory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-cache-'));
  cacheDirectory = join(directory, 'cache');
  await writeRandomModel(join(directory, 'model'), SHAPE, { seed: 1 });
});
afterEach(() => rm(directory, { recursive: true }));

interface Loaded {
  logits: Buffer;
  /** Whether the weights came from the cache. */
  cached: boolean;
  failures: string[];
}

async function load(
  cache: string | undefined = cacheDirectory,
  model = 'model',
  quantization: 'int8' | 'int4' = 'int8',
): Promise<Loaded> {
  const seen = new Set<string>();
  const failures: string[] = [];
  const { backend } = await loadModel(join(directory, model), {
    threads: 1,
    quantization,
    ...(cache !== undefined && { cacheDirectory: cache }),
    onProgress: ({ tensor }) => seen.add(tensor),
    onCacheFailure: (error) => failures.push(error.message),
  });
  const rows = await promptLogits(backend, IDS);
  await backend.dispose();
  const logits = Buffer.concat(rows.map((row) => Buffer.from(row.buffer)));
  return { logits, cached: !seen.has('h.1.mlp.c_proj.weight'), failures };
}

const cacheFile = async () => join(cacheDirectory, (await readdir(cacheDirectory))[0]!);

it('the second load takes the cache and gives the same bits', async () => {
  const first = await load();
  expect(first.cached).toBe(false);
  const second = await load();
  expect(second.cached).toBe(true);
  expect(second.logits.equals(first.logits)).toBe(true);
  expect(await readdir(cacheDirectory)).toHaveLength(1);
});

it('weights that changed are quantised again', async () => {
  const before = await load();
  await writeRandomModel(join(directory, 'other'), SHAPE, { seed: 2 });
  await copyFile(join(directory, 'other/model.safetensors'), join(directory, 'model/model.safetensors'));
  const after = await load();
  expect(after.cached).toBe(false);
  expect(after.logits.equals(before.logits)).toBe(false);
  expect((await load()).logits.equals(after.logits)).toBe(true);
  expect((await load()).cached).toBe(true);
});

it('weights that were only touched are recognised by their hash', async () => {
  await load();
  await utimes(join(directory, 'model/model.safetensors'), 1, 1);
  expect((await load()).cached).toBe(true);
});

it('another configuration does not take the image of the first', async () => {
  await load();
  const path = join(directory, 'model/config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...config, activation_function: 'relu' }));
  expect((await load()).cached).toBe(false);
});

it.each([
  ['a flipped bit in the image', async (path: string) => flip(path, 9000)],
  ['a flipped bit in its last byte', async (path: string) => flip(path, -1)],
  ['a header that is no JSON', async (path: string) => flip(path, 0)],
  ['a torn file', async (path: string) => truncate(path, 10_000)],
  ['an empty file', async (path: string) => truncate(path, 0)],
])('%s means quantising again', async (_, damage) => {
  const { logits } = await load();
  await damage(await cacheFile());
  const again = await load();
  expect(again.cached).toBe(false);
  expect(again.logits.equals(logits)).toBe(true);
  expect((await load()).cached).toBe(true);
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = bytes[index]! ^ 1;
  await writeFile(path, bytes);
}

it('a directory that cannot be written costs time, not the model', async () => {
  const blocked = join(directory, 'model/config.json');
  const { logits } = await load(undefined);
  const loaded = await load(blocked);
  expect(loaded.failures).toEqual([expect.stringContaining('EEXIST')]);
  expect(loaded.logits.equals(logits)).toBe(true);
});

it('each kind of weights has an image of its own', async () => {
  const int8 = await load();
  const int4 = await load(cacheDirectory, 'model', 'int4');
  expect(int4.cached).toBe(false);
  expect(int4.logits.equals(int8.logits)).toBe(false);
  for (const [kind, first] of [
    ['int8', int8],
    ['int4', int4],
  ] as const) {
    const again = await load(cacheDirectory, 'model', kind);
    expect(again.cached).toBe(true);
    expect(again.logits.equals(first.logits)).toBe(true);
  }
});
