/**
 * Taking over computed beginnings changes no token and crosses no scope. The cache is played by an array that holds, for every slot, the
 * whole text up to it and who wrote it; every step must find in front of its rows what the sequence's own tokens say.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { writeRandomModel } from '@inkwell/gpt2';
import { loadModel } from '@inkwell/gpt2/tfjs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import type { ChoiceDelta } from './engine-job.ts';
import { BlockPool } from './kv-blocks.ts';
import { PrefixKeys } from './prefix-keys.ts';
import { Scheduler, type Work } from './scheduler.ts';
import { Sequence } from './sequence.ts';

const BLOCK_SIZE = 4;
const limits = { maxSequences: 4, stepTokenBudget: 16, promptLogitsPerStep: 5 };

interface Slot {
  text: string;
  scope: string | undefined;
}

/** Computes a step on the pretended cache, checking all that must already lie there. */
function compute(cache: Slot[], work: readonly Work[], live: readonly Sequence[]): void {
  const holders = new Map<number, number>();
  for (const block of live.flatMap((sequence) => sequence.blocks)) holders.set(block, (holders.get(block) ?? 0) + 1);
  for (const { sequence, from, count } of work) {
    const slot = (position: number) =>
      sequence.blocks[Math.floor(position / BLOCK_SIZE)]! * BLOCK_SIZE + (position % BLOCK_SIZE);
    for (let position = 0; position < from; position++) {
      const { text, scope } = cache[slot(position)]!;
      expect(text).toBe(sequence.tokens.slice(0, position + 1).join());
      expect(scope).toBe(sequence.scope);
    }
    for (let position = from; position < from + count; position++) {
      expect(holders.get(sequence.blocks[Math.floor(position / BLOCK_SIZE)]!)).toBe(1);
      cache[slot(position)] = { text: sequence.tokens.slice(0, position + 1).join(), scope: sequence.scope };
    }
  }
}

/** What the engine does: a sequence whose tokens are all computed gets one more. */
function draw(work: readonly Work[]): void {
  for (const { sequence } of work) {
    if (sequence.state === 'running' && sequence.remaining === 0) sequence.tokens.push(sequence.tokens.length % 3);
  }
}

interface Arrival {
  output: number;
  arrivesAt: number;
  removeAt: number | null;
}

/** Adds the sequences that arrive at this step, removes those that are done or given up. */
function comeAndGo(scheduler: Scheduler, pending: Map<Arrival, Sequence>, step: number): void {
  for (const [one, sequence] of [...pending]) {
    if (one.arrivesAt > step) continue;
    if (one.arrivesAt === step) scheduler.add(sequence);
    const isDone = sequence.tokens.length >= sequence.promptLength + one.output;
    if (!isDone && (one.removeAt ?? Number.POSITIVE_INFINITY) > step) continue;
    scheduler.remove(sequence);
    pending.delete(one);
  }
}

describe('beginnings that are taken over', () => {
  const job = fc.record({
    // Few different tokens: many prompts begin alike.
    prompt: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 24 }),
    begins: fc.constantFrom<number[]>(
      [],
      [0, 0, 0, 0],
      [0, 0, 0, 0, 1, 1, 1, 1],
      [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
    ),
    scope: fc.constantFrom<string | undefined>('a', 'b', undefined),
    echo: fc.boolean(),
    output: fc.integer({ min: 1, max: 12 }),
    arrivesAt: fc.integer({ min: 0, max: 40 }),
    removeAt: fc.option(fc.integer({ min: 0, max: 60 })),
  });

  it('hold what the sequence itself would have computed, in its own scope, and are never written to, whatever comes and goes', () => {
    fc.assert(
      fc.property(
        fc.array(job, { minLength: 2, maxLength: 14 }),
        fc.integer({ min: 16, max: 60 }),
        (jobs, blockCount) => {
          const pool = new BlockPool(BLOCK_SIZE, blockCount);
          const scheduler = new Scheduler(pool, limits);
          const cache = Array.from<Slot>({ length: blockCount * BLOCK_SIZE }).fill({ text: '', scope: undefined });
          const pending = new Map<Arrival, Sequence>(
            jobs.map((one) => [one, new Sequence([...one.begins, ...one.prompt], [], one.echo ? 0 : undefined)]),
          );
          for (const one of jobs) pending.get(one)!.scope = one.scope;
          for (let step = 0; pending.size > 0; step++) {
            expect(step).toBeLessThan(5000);
            comeAndGo(scheduler, pending, step);
            const work = scheduler.schedule();
            for (const { sequence, count } of work) expect(Math.min(count, sequence.remaining)).toBeGreaterThan(0);
            compute(cache, work, [...pending.values()]);
            scheduler.commit(work);
            draw(work);
          }
          expect(pool.usedCount).toBe(0);
        },
      ),
      { seed: 20261124, numRuns: 150 },
    );
  });

  it('are found for a prompt seen before, up to its last full block, and not in another scope', () => {
    const scheduler = new Scheduler(new BlockPool(BLOCK_SIZE, 50), limits);
    const reusedBy = (scope: string | undefined, tokens: readonly number[]) => {
      const before = scheduler.reusedTokens;
      const sequence = new Sequence(tokens);
      sequence.scope = scope;
      scheduler.add(sequence);
      while (sequence.remaining > 0) scheduler.commit(scheduler.schedule());
      scheduler.remove(sequence);
      return scheduler.reusedTokens - before;
    };
    const prompt = Array.from({ length: 14 }, (_, i) => i);
    expect(reusedBy('a', prompt)).toBe(0);
    expect(reusedBy('b', prompt)).toBe(0);
    expect(reusedBy(undefined, prompt)).toBe(0);
    expect(reusedBy('a', prompt)).toBe(12);
    expect(reusedBy('a', prompt.slice(0, 12))).toBe(8);
    expect(reusedBy('a', [...prompt.slice(0, 7), 99, ...prompt.slice(8)])).toBe(4);
    expect(reusedBy('a', [99, ...prompt.slice(1)])).toBe(0);
    expect(reusedBy(undefined, prompt)).toBe(0);
  });
});

describe('BlockPool', () => {
  it('forgets the block let go longest ago, and of one sequence its last block first', () => {
    const pool = new BlockPool(BLOCK_SIZE, 4);
    const first = pool.allocate(2);
    pool.publish(first[0]!, 'a0');
    pool.publish(first[1]!, 'a1');
    pool.release(first);
    const second = pool.allocate(1);
    pool.publish(second[0]!, 'b0');
    pool.release(second);
    expect(pool.freeCount).toBe(4);
    pool.release(pool.allocate(2));
    expect(pool.claim(['a0', 'a1'])).toEqual([first[0]]);
    expect(pool.claim(['b0'])).toEqual(second);
    expect(pool.usedCount).toBe(2);
    expect(() => pool.allocate(3)).toThrow(RangeError);
  });

  it('frees a block when the last of its holders lets go', () => {
    const pool = new BlockPool(BLOCK_SIZE, 2);
    const [block] = pool.allocate(1);
    pool.publish(block!, 'k');
    expect(pool.claim(['k'])).toEqual([block]);
    pool.release([block!]);
    expect(pool.usedCount).toBe(1);
    pool.release([block!]);
    expect(pool.usedCount).toBe(0);
  });
});

it('keys differ by scope, by any earlier token and by length', () => {
  const tokens = Array.from({ length: 8 }, (_, i) => i);
  const key = (scope: string, ids: readonly number[]) => new PrefixKeys(scope, 4).of(ids, 2)[1];
  const keys = [
    key('a', tokens),
    key('b', tokens),
    key('a', [9, ...tokens.slice(1)]),
    key('a', [...tokens.slice(0, 7), 9]),
  ];
  expect(new Set(keys).size).toBe(4);
  expect(new PrefixKeys('a', 4).of(tokens, 2)).toEqual(new PrefixKeys('a', 4).of(tokens, 2));
});

it('on the wasm backend the same tokens and logprobs come out, to the bit, with and without taking over', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-prefix-'));
  try {
    const shape = { n_layer: 2, n_head: 2, n_embd: 32, n_positions: 160, vocab_size: 400 };
    await writeRandomModel(directory, shape, { seed: 5 });
    const model = await loadModel(directory, { threads: 2, blockCount: 24 });
    const specOf = (i: number): GenerationSpec => ({
      model: 'm',
      prompts: [Array.from({ length: 50 + i }, (_, k) => (k * 31) % 256)],
      maxTokens: 20,
      n: 1,
      bestOf: 1,
      sampling: { ...neutralSampling, seed: 7 + i },
      stop: [],
      logprobs: 1,
      echo: i === 3,
      ignoreEos: true,
    });
    const run = async (scope: string | undefined) => {
      const engine = new Engine(model.backend, model.tokenizer, {
        maxSequences: 3,
        stepTokenBudget: 40,
        promptLogitsPerStep: 8,
      });
      const deltas = new Map<string, ChoiceDelta[]>();
      for (let i = 0; i < 8; i++) engine.add(`${i}`, specOf(i), [], scope);
      while (!engine.idle) {
        for (const job of (await engine.step()).jobs) {
          deltas.set(job.id, [...(deltas.get(job.id) ?? []), ...job.deltas]);
        }
      }
      return { deltas, reused: engine.reusedTokens };
    };
    const alone = await run(undefined);
    const shared = await run('tenant');
    expect(alone.reused).toBe(0);
    expect(shared.reused).toBeGreaterThan(100);
    expect(shared.deltas).toEqual(alone.deltas);
    await model.backend.dispose();
  } finally {
    await rm(directory, { recursive: true });
  }
});
