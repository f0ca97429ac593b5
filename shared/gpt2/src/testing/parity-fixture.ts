/** What transformers computes of the small models in test-data/parity (made by parity/make_fixtures.py). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testData } from './paths.ts';

export const PARITY_MODELS = [
  'plain-f32',
  'odd-sizes-f32',
  'scaled-layers-f16',
  'unscaled-bf16',
  'deep-tanh-f32',
  'wide-context-f16',
] as const;

export interface ParityFixture {
  readonly directory: string;
  readonly prompt: number[];
  /** The most likely tokens behind the prompt, one after the other, and their text. */
  readonly greedy: number[];
  readonly text: string;
  /** By position of the prompt. */
  readonly logits: ReadonlyMap<number, Float32Array>;
}

interface Expected {
  readonly prompt: number[];
  readonly greedy: number[];
  readonly text: string;
  readonly shape: [number, number];
}

async function readLogits(directory: string, vocabSize: number): Promise<Map<number, Float32Array>> {
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

export async function parityFixture(name: string): Promise<ParityFixture> {
  const directory = testData(`parity/${name}`);
  const { shape, ...expected } = JSON.parse(await readFile(join(directory, 'expected.json'), 'utf8')) as Expected;
  return { directory, ...expected, logits: await readLogits(directory, shape[1]) };
}

export function maxDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}
