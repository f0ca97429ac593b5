/**
 * The engine on the kernels of a graphics card, played by SwiftShader: a job's tokens and logprobs are, to the bit, those it draws alone, whoever is beside it, however scarce
 * blocks are and whether its beginning was taken over; and greedy ones are the processor's.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { writeRandomModel } from '@inkwell/gpt2';
import { INSTALL_TIMEOUT_MS, softwareWebgpuPath } from '@inkwell/gpt2/software-webgpu';
import { type LoadedModel, loadModel } from '@inkwell/gpt2/tfjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import type { ChoiceDelta } from './engine-job.ts';

const SEED = 23;
const jobs = [0, 1, 2, 3, 4];
let directory: string;
let webgpuPath: string;

beforeAll(async () => {
  webgpuPath = await softwareWebgpuPath();
  directory = await mkdtemp(join(tmpdir(), 'inkwell-webgpu-engine-'));
  const shape = { n_layer: 2, n_head: 2, n_embd: 24, n_positions: 80, vocab_size: 300 };
  await writeRandomModel(directory, shape, { seed: SEED });
}, INSTALL_TIMEOUT_MS);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The second and later begin alike; every other one is greedy. */
function specOf(i: number): GenerationSpec {
  const prompt = i === 0 ? [5, 4, 3] : [...Array.from({ length: 34 }, (_, k) => (k * 31) % 256), i];
  const sampling = { ...neutralSampling, temperature: i % 2 === 0 ? 0 : 1, seed: SEED + i };
  const rest = { model: 'm', n: 1, bestOf: 1, stop: [], logprobs: 1, echo: false, ignoreEos: true };
  return { ...rest, prompts: [prompt], maxTokens: 6, sampling };
}

interface Limits {
  readonly scope?: string;
  readonly stepTokenBudget?: number;
}

async function run(model: LoadedModel, ids: readonly number[], { scope, stepTokenBudget = 64 }: Limits = {}) {
  const limits = { maxSequences: 8, stepTokenBudget, promptLogitsPerStep: 8 };
  const engine = new Engine(model.backend, model.tokenizer, limits);
  for (const id of ids) engine.add(`${id}`, specOf(id), [], scope);
  const deltas = new Map<string, ChoiceDelta[]>();
  while (!engine.idle) {
    for (const job of (await engine.step()).jobs) {
      expect(job.error).toBeNull();
      deltas.set(job.id, [...(deltas.get(job.id) ?? []), ...job.deltas]);
    }
  }
  return { deltas, reused: engine.reusedTokens };
}

it(`alone, among others, preempted and beginning alike (seed ${SEED})`, { timeout: 240_000 }, async () => {
  const roomy = await loadModel(directory, { backend: 'webgpu', webgpuPath });
  const alone = new Map<string, ChoiceDelta[]>();
  for (const id of jobs) for (const [key, deltas] of (await run(roomy, [id])).deltas) alone.set(key, deltas);
  expect((await run(roomy, jobs)).deltas).toEqual(alone);
  await roomy.backend.dispose();

  const scarce = await loadModel(directory, { backend: 'webgpu', webgpuPath, blockCount: 7 });
  expect((await run(scarce, [...jobs].reverse(), { stepTokenBudget: 19 })).deltas).toEqual(alone);
  const shared = await run(scarce, jobs, { scope: 'tenant' });
  expect(shared.reused).toBeGreaterThan(60);
  expect(shared.deltas).toEqual(alone);
  await scarce.backend.dispose();

  const processor = await loadModel(directory, { backend: 'wasm', quantization: 'none', threads: 1 });
  const greedy = jobs.filter((id) => id % 2 === 0);
  const { deltas } = await run(processor, greedy);
  const tokensOf = (of: Map<string, ChoiceDelta[]>, id: number) => of.get(`${id}`)!.flatMap(({ tokens }) => tokens);
  for (const id of greedy) {
    expect(tokensOf(alone, id).length).toBe(6);
    expect(tokensOf(alone, id)).toEqual(tokensOf(deltas, id));
  }
  await processor.backend.dispose();
});
