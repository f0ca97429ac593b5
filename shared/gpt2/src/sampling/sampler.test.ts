/**
 * Sampling against a slow, plain reference (full sort, Math.exp), for random logits and parameters; the properties that
 * restarts rely on; and refusals.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expNonPositive } from './exp.ts';
import type { SamplingParameters } from './parameters.ts';
import { philox4x32, uniform } from './philox.ts';
import { createSampler } from './sampler.ts';

const SEED = 3;
const NO_HISTORY = { ids: [], generatedFrom: 0 };

function randomLogits(size: number, seed: number, spread = 10): Float32Array {
  return Float32Array.from(
    { length: size },
    (_, i) => (philox4x32([i, 9, 0, 0], [seed, 0])[0] / 2 ** 32 - 0.5) * spread,
  );
}

/** Ids that survive truncation, by sorting; and the probability of each among them. */
function referenceDistribution(logits: Float32Array, p: SamplingParameters): Map<number, number> {
  const max = Math.max(...logits);
  let kept = [...logits]
    .map((logit, id) => ({ id, logit, weight: Math.exp((logit - max) / (p.temperature ?? 1)) }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id);
  kept = kept.filter(({ weight }) => weight >= (p.minP ?? 0));
  if (p.topK) kept = kept.slice(0, p.topK);
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  let cumulative = 0;
  const nucleus = kept.filter(({ weight }) => {
    const before = cumulative;
    cumulative += weight;
    return before < (p.topP ?? 1) * total * (1 - 1e-12) || before === 0;
  });
  const mass = nucleus.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(nucleus.sort((a, b) => a.id - b.id).map(({ id, weight }) => [id, weight / mass]));
}

function referenceDraw(distribution: ReadonlyMap<number, number>, u: number): number {
  let cumulative = 0;
  let last = -1;
  for (const [id, probability] of distribution) {
    cumulative += probability;
    last = id;
    if (cumulative > u) break;
  }
  return last;
}

const parameters = fc.record({
  temperature: fc.double({ min: 0.05, max: 3, noNaN: true }),
  topK: fc.nat(60),
  topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
  minP: fc.constantFrom(0, 0, 0.01, 0.2),
});

describe(`sampler (seed ${SEED})`, () => {
  it('draws the token a full sort would, for random logits and parameters', () => {
    fc.assert(
      fc.property(
        parameters,
        fc.nat(1e6),
        fc.constantFrom(1, 2, 50, 1000),
        fc.nat(1000),
        (p, logitsSeed, size, position) => {
          const logits = randomLogits(size, logitsSeed);
          const { token } = createSampler({ ...p, seed: 8, stream: 2 }).sample(logits, NO_HISTORY, position);
          expect(token).toBe(referenceDraw(referenceDistribution(logits, p), uniform(8, 2, position)));
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('treats equal logits by id: lowest first', () => {
    const flat = new Float32Array(100).fill(1.5);
    for (let position = 0; position < 50; position++) {
      expect(createSampler({ topK: 7, seed: 1 }).sample(flat, NO_HISTORY, position).token).toBeLessThan(7);
      expect(createSampler({ topP: 0.1, seed: 1 }).sample(flat, NO_HISTORY, position).token).toBeLessThan(10);
    }
    expect(createSampler({ temperature: 0 }).sample(flat, NO_HISTORY, 0).token).toBe(0);
  });

  it('draws in proportion to probability', () => {
    const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4], Math.log);
    const sampler = createSampler({ seed: 12345 });
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let position = 0; position < draws; position++) counts[sampler.sample(logits, NO_HISTORY, position).token]!++;
    const chiSquare = counts.reduce(
      (sum, count, id) => sum + (count - draws * 0.1 * (id + 1)) ** 2 / (draws * 0.1 * (id + 1)),
      0,
    );
    // 3 degrees of freedom: 99.9 % lie below 16.3.
    expect(chiSquare).toBeLessThan(16.3);
  });

  it('is a pure function of logits, history, parameters and position: no call leaves a trace', () => {
    const logits = randomLogits(5000, 1);
    const history = { ids: [3, 4, 4, 9], generatedFrom: 2 };
    const p = { temperature: 0.9, topP: 0.95, frequencyPenalty: 0.5, seed: 99n, logprobs: 3 };
    const first = createSampler(p).sample(logits, history, 17);
    const before = logits.slice();
    const busy = createSampler(p);
    for (let i = 0; i < 40; i++) busy.sample(randomLogits(100 + i, i), NO_HISTORY, i);
    expect(busy.sample(logits, history, 17)).toEqual(first);
    expect(logits).toEqual(before);
  });

  it('temperature near 0 is greedy, topP 0 and topK 1 too', () => {
    const logits = randomLogits(1000, 2);
    const best = logits.indexOf(Math.max(...logits));
    for (const p of [
      { temperature: 0 },
      { temperature: 1e-9 },
      { topP: 0 },
      { topK: 1 },
      { topP: 1e-300 },
      { minP: 1 },
    ]) {
      for (let position = 0; position < 20; position++) {
        expect(createSampler({ ...p, seed: 4 }).sample(logits, NO_HISTORY, position).token, JSON.stringify(p)).toBe(
          best,
        );
      }
    }
  });

  it('never chooses a token of probability zero', () => {
    const logits = Float32Array.of(-Infinity, 0, -Infinity, -1e30, 0);
    for (let position = 0; position < 200; position++) {
      expect([1, 4]).toContain(createSampler({ seed: 6 }).sample(logits, NO_HISTORY, position).token);
    }
  });
});

describe('penalties and bias', () => {
  const greedy = (
    logits: number[],
    p: SamplingParameters,
    history = NO_HISTORY as { ids: number[]; generatedFrom: number },
  ) => createSampler({ temperature: 0, ...p }).sample(Float32Array.from(logits), history, 0).token;
  const history = { ids: [0, 1, 1], generatedFrom: 1 };

  it('presence counts a generated token once, frequency each time, neither the prompt', () => {
    expect(greedy([5, 5, 4.5], { presencePenalty: 1 }, history)).toBe(0);
    expect(greedy([3, 5, 4.5], { presencePenalty: 0.4 }, history)).toBe(1);
    expect(greedy([3, 5, 4.5], { presencePenalty: 0.6 }, history)).toBe(2);
    expect(greedy([3, 5, 4.5], { frequencyPenalty: 0.3 }, history)).toBe(2);
  });

  it('repetition penalises prompt and output, whatever the sign', () => {
    expect(greedy([5, 5, 3], { repetitionPenalty: 2 }, history)).toBe(2);
    expect(greedy([-2, -2, -3], { repetitionPenalty: 2 }, history)).toBe(2);
  });

  it('bias adds to the logit, and ids outside the vocabulary are ignored', () => {
    expect(
      greedy([0, 1, 2], {
        logitBias: new Map([
          [0, 2.5],
          [77, 100],
        ]),
      }),
    ).toBe(0);
    expect(greedy([0, 1, 2], { logitBias: new Map([[2, -100]]) })).toBe(1);
  });
});

describe('log-probabilities', () => {
  it('are the log-softmax of the raw logits, most likely first', () => {
    const logits = randomLogits(3000, 5, 30);
    const max = Math.max(...logits);
    const normalizer = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
    const result = createSampler({ logprobs: 20, temperature: 0.5, logitBias: new Map([[7, 50]]) }).sample(
      logits,
      NO_HISTORY,
      0,
    );
    expect(result.token).toBe(7);
    expect(result.logprob).toBeCloseTo(logits[7]! - normalizer, 9);
    const expected = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, 20);
    expect(result.topLogprobs!.map(({ token }) => token)).toEqual(expected);
    for (const { token, logprob } of result.topLogprobs!) expect(logprob).toBeCloseTo(logits[token]! - normalizer, 9);
  });

  it('are absent unless asked for, and 0 asks only for the chosen token', () => {
    const logits = Float32Array.of(0, 0, -1);
    expect(createSampler({ temperature: 0 }).sample(logits, NO_HISTORY, 0)).toEqual({ token: 0 });
    const { logprob, topLogprobs } = createSampler({ temperature: 0, logprobs: 0 }).sample(logits, NO_HISTORY, 0);
    expect(logprob).toBeCloseTo(-Math.log(2 + Math.exp(-1)), 12);
    expect(topLogprobs).toEqual([]);
  });
});

describe('refusals', () => {
  it.each([[[0, Number.NaN, 1]], [[0, Infinity]], [[-Infinity, -Infinity]], [[Number.NaN]]])('logits %j', (values) => {
    for (const temperature of [0, 1]) {
      const sampler = createSampler({ temperature });
      expect(() => sampler.sample(Float32Array.from(values), NO_HISTORY, 0)).toThrow('the model produced the logit');
    }
  });

  it.each([
    ['temperature', { temperature: -1 }],
    ['temperature', { temperature: Number.NaN }],
    ['top_k', { topK: 1.5 }],
    ['top_p', { topP: 1.1 }],
    ['min_p', { minP: -0.1 }],
    ['presence_penalty', { presencePenalty: Infinity }],
    ['repetition_penalty', { repetitionPenalty: 0 }],
    ['logit_bias', { logitBias: new Map([[5, Number.NaN]]) }],
    ['logit_bias', { logitBias: new Map([[-5, 1]]) }],
    ['logprobs', { logprobs: -1 }],
    ['seed', { seed: 0.5 }],
    ['stream', { stream: -1 }],
  ])('%s of %j', (name, p) => {
    expect(() => createSampler(p)).toThrow(name);
  });
});

describe('expNonPositive', () => {
  it('agrees with Math.exp to 8 units in the last place', () => {
    for (let i = 0; i < 200_000; i++) {
      const x = (-i / 200_000) * (i % 3 === 0 ? 700 : 20);
      const exact = Math.exp(x);
      expect(Math.abs(expNonPositive(x) - exact) <= 8 * 2 ** -53 * exact || `e^${x}`).toBe(true);
    }
  });

  it('is exactly 1 at 0 and 0 far below', () => {
    expect(expNonPositive(0)).toBe(1);
    expect(expNonPositive(-700.1)).toBe(0);
    expect(expNonPositive(-Infinity)).toBe(0);
  });
});
