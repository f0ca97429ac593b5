/**
 * Measures prefill and decode speed on a random-weight model: `node bench/speed.ts [124m|small] [threads]`.
 * Prints tokens per second as the median of several rounds, with the fastest tenth beside it: on a busy machine the
 * latter says more about the code.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadModel } from '../src/load-model.ts';
import { writeRandomModel } from '../src/random-model.ts';
import { createSampler } from '../src/sampling/sampler.ts';
import { stepOf, tableFrom } from '../src/testing/run-sequence.ts';

const SIZES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '124m': { n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024, vocab_size: 50257 },
  small: { n_layer: 8, n_head: 8, n_embd: 256, n_positions: 512, vocab_size: 6144 },
};

const size = process.argv[2] ?? '124m';
const threads = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
const directory = join(tmpdir(), `inkwell-bench-${size}`);
if (!existsSync(join(directory, 'model.safetensors'))) await writeRandomModel(directory, SIZES[size]!, { seed: 1 });

const started = performance.now();
const { backend } = await loadModel(directory, { threads, blockCount: 512 });
const loadMs = Math.round(performance.now() - started);

const table = (sequence: number) => tableFrom(backend, 0).map((block) => (block + sequence * 32) % 512);
const prompt = (length: number) => Int32Array.from({ length }, (_, i) => (i * 7919 + 13) % backend.info.vocabSize);
const sampler = createSampler({ temperature: 0.8, seed: 1 });

function rate(tokensPerRound: number, rounds: number[]): string {
  rounds.sort((a, b) => a - b);
  const perSecond = (ms: number) => ((tokensPerRound * 1000) / ms).toFixed(1);
  return `${perSecond(rounds[rounds.length >> 1]!)} (best tenth ${perSecond(rounds[Math.floor(rounds.length / 10)]!)})`;
}

async function prefill(length: number, rounds: number): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await backend.forward(stepOf([{ ids: prompt(length), from: 0, table: table(0) }], 'last'));
    times.push(performance.now() - start);
  }
  return rate(length, times);
}

async function decode(batch: number, rounds: number): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const slices = Array.from({ length: batch }, (_, s) => ({ ids: [round + s], from: 128 + round, table: table(s) }));
    const start = performance.now();
    await backend.forward(stepOf(slices, 'last'));
    times.push(performance.now() - start);
  }
  return rate(batch, times);
}

console.log(`${size}, ${backend.info.threads} threads, loaded in ${loadMs} ms`);
await prefill(128, 2);
await decode(1, 5);
for (const batch of [1, 4, 8, 16]) console.log(`decode, batch ${batch}: ${await decode(batch, 40)} tokens/s`);
for (const length of [128, 512]) console.log(`prefill of ${length}: ${await prefill(length, 6)} tokens/s`);
const [logits] = await backend.forward(stepOf([{ ids: [1], from: 0, table: table(0) }], 'last'));
const draws = Array.from({ length: 100 }, (_, i) => {
  const start = performance.now();
  sampler.sample(logits!, { ids: [], generatedFrom: 0 }, i);
  return performance.now() - start;
});
console.log(`sampling: ${rate(1, draws)} tokens/s`);
await backend.dispose();
