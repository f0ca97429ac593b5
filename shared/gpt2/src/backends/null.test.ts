import { describe, expect, it } from 'vitest';
import { createSampler } from '../sampling/sampler.ts';
import { greedy, stepOf, tableFrom } from '../testing/run-sequence.ts';
import { createNullBackend } from './null.ts';

describe('the null backend', () => {
  const options = { vocabSize: 100, contextLength: 64, cycle: [7, 8, 9] };

  it('makes greedy decoding emit the cycle, by position', async () => {
    const backend = createNullBackend(options);
    expect(await greedy(backend, [1, 1, 1], 7)).toEqual([7, 8, 9, 7, 8, 9, 7]);
    expect(await greedy(backend, [1, 1, 1, 1], 3)).toEqual([8, 9, 7]);
  });

  it('makes any sampling emit it too, penalties and hot temperatures included', async () => {
    const backend = createNullBackend(options);
    const sampler = createSampler({
      temperature: 2,
      frequencyPenalty: 2,
      presencePenalty: 2,
      repetitionPenalty: 2,
      seed: 1,
    });
    const ids = [7, 7, 7, 8, 9];
    const [logits] = await backend.forward(stepOf([{ ids, from: 0, table: tableFrom(backend) }], 'last'));
    for (let i = 0; i < 50; i++) expect(sampler.sample(logits!, { ids, generatedFrom: 1 }, i).token).toBe(9);
  });

  it('takes the time it is told per step', async () => {
    const backend = createNullBackend({ ...options, paceMs: 30 });
    const start = performance.now();
    await greedy(backend, [1], 3);
    expect(performance.now() - start).toBeGreaterThanOrEqual(3 * 29);
  });

  it.each([[[]], [[100]], [[-1]], [[1.5]]])('refuses the cycle %j', (cycle) => {
    expect(() => createNullBackend({ ...options, cycle })).toThrow('null backend: cycle');
  });
});
