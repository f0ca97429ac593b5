import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { writeRandomModel } from '@inkwell/gpt2';
import { type LoadedModel, loadModel } from '@inkwell/gpt2/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import type { ChoiceDelta } from './engine-job.ts';

/** The real model runtime: its logits must not depend on what else is in the step, or nothing above them can be exact. */
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-batch-'));
  const config = { n_layer: 3, n_head: 4, n_embd: 48, n_positions: 160, vocab_size: 400 };
  await writeRandomModel(directory, config, { seed: 11 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function specOf(i: number): GenerationSpec {
  return {
    model: 'm',
    prompts: [Array.from({ length: 3 + 7 * i }, (_, k) => (k * 31 + i * 17) % 256)],
    maxTokens: 40,
    n: 1,
    bestOf: 1,
    sampling: { ...neutralSampling, topP: i % 2 === 0 ? 1 : 0.9, seed: 1000 + i },
    stop: [],
    logprobs: 1,
    echo: false,
    ignoreEos: true,
  };
}

async function run(
  model: LoadedModel,
  ids: readonly number[],
  stepTokenBudget: number,
): Promise<Map<string, ChoiceDelta[]>> {
  const engine = new Engine(model.backend, model.tokenizer, {
    maxSequences: 16,
    stepTokenBudget,
    promptLogitsPerStep: 8,
  });
  for (const id of ids) engine.add(`${id}`, specOf(id));
  const deltas = new Map<string, ChoiceDelta[]>();
  while (!engine.idle) {
    for (const job of (await engine.step()).jobs) deltas.set(job.id, [...(deltas.get(job.id) ?? []), ...job.deltas]);
  }
  return deltas;
}

describe('batch independence on the wasm backend', () => {
  it('a request draws the same tokens with the same logprobs, to the bit, alone and beside 15 others, whatever the threads, chunks and preemptions', async () => {
    const ids = Array.from({ length: 16 }, (_, i) => i);
    const roomy = await loadModel(directory, { threads: 1 });
    const alone = new Map<string, ChoiceDelta[]>();
    for (const id of ids) for (const [key, deltas] of await run(roomy, [id], 128)) alone.set(key, deltas);
    expect(await run(roomy, ids, 128)).toEqual(alone);
    expect(await run(roomy, [...ids].reverse(), 21)).toEqual(alone);
    await roomy.backend.dispose();
    const scarce = await loadModel(directory, { threads: 2, blockCount: 40 });
    expect(await run(scarce, ids, 64)).toEqual(alone);
    await scarce.backend.dispose();
  });
});
