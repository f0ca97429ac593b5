/**
 * Writes a random GPT-2 of any size to a directory, for tests and benchmarks that care about shapes and speed, not
 * about text. The same seed gives the same bytes. Its vocabulary is the 256 bytes, then made-up two-byte tokens.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from './config.ts';
import { ModelError } from './errors.ts';
import type { FloatType } from './safetensors/header.ts';
import { writeSafetensors } from './safetensors/writer.ts';
import { philox4x32 } from './sampling/philox.ts';
import { modelTensors } from './tensor-names.ts';
import { characterOfByte } from './tokenizer/byte-alphabet.ts';
import { END_OF_TEXT } from './tokenizer/tokenizer.ts';

export interface RandomModelOptions {
  readonly seed: number;
  readonly dtype?: FloatType;
}

const STANDARD_DEVIATION = 0.02;
const TABLE_SIZE = 65536;

/** Normal values by Box and Muller (1958), from the counter-based generator. */
function normalTable(seed: number): Float32Array {
  const table = new Float32Array(TABLE_SIZE);
  for (let i = 0; i < TABLE_SIZE; i++) {
    const [a, b] = philox4x32([i, 0, 0, 0], [seed >>> 0, 0]);
    table[i] = STANDARD_DEVIATION * Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * b) / 2 ** 32);
  }
  return table;
}

/** Draws from the table by a xorshift generator (Marsaglia 2003): fast enough for a hundred million values. */
function fillNormal(values: Float32Array, table: Float32Array, seed: number): Float32Array {
  let state = (seed * 0x9e3779b1) >>> 0 || 1;
  for (let i = 0; i < values.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = table[state & (TABLE_SIZE - 1)]!;
  }
  return values;
}

function vocabulary(size: number): Record<string, number> {
  if (size < 257 || size > 65536)
    throw new ModelError(`a random model's vocab_size must be from 257 to 65536, got ${size}`);
  const tokens = Array.from({ length: size - 1 }, (_, id) =>
    id < 256 ? characterOfByte(id) : characterOfByte((id - 256) >> 8) + characterOfByte(id & 255),
  );
  return Object.fromEntries([...tokens, END_OF_TEXT].map((token, id) => [token, id]));
}

/** @param config as config.json would hold it; fields left out take their defaults */
export async function writeRandomModel(
  directory: string,
  config: Readonly<Record<string, unknown>>,
  { seed, dtype = 'F32' }: RandomModelOptions,
): Promise<void> {
  const parsed = parseConfig(config);
  const table = normalTable(seed);
  const tensors = modelTensors(parsed).map(({ name, shape }, index) => ({
    name,
    shape,
    values: () => {
      const values = new Float32Array(shape.reduce((product, length) => product * length, 1));
      if (/ln_\w\.weight$/.test(name)) return values.fill(1);
      return fillNormal(values, table, seed + index + 1);
    },
  }));
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'config.json'), JSON.stringify({ model_type: 'gpt2', ...config }, null, 2));
  await writeFile(join(directory, 'vocab.json'), JSON.stringify(vocabulary(parsed.vocab_size)));
  await writeFile(join(directory, 'merges.txt'), '#version: 0.2\n');
  await writeSafetensors(join(directory, 'model.safetensors'), tensors, dtype);
}
