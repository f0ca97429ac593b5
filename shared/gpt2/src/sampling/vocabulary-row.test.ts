/** The passes in WebAssembly give the bits of plain code: for any row, whatever was in the memory before. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expNonPositive } from './exp.ts';
import { VocabularyRow } from './vocabulary-row.ts';

const SEED = 11;

const logit = fc.oneof(
  fc.double({ min: -60, max: 60, noNaN: true }),
  fc.constantFrom(0, -0, 1.5, -Infinity, -1e9, 3e38, -3e38, 1e-45),
);
const logits = fc
  .oneof(fc.array(logit, { minLength: 1, maxLength: 5 }), fc.array(logit, { minLength: 1, maxLength: 200 }))
  .map((values) => Float32Array.from(values))
  .filter((values) => values.some(Number.isFinite));
const temperature = fc.oneof(fc.double({ min: 0.01, max: 100, noNaN: true }), fc.constantFrom(1, 5e-324, 1e-9));
const least = fc.oneof(fc.constantFrom(0, 0, 1, 1e-300), fc.double({ min: 0, max: 1, noNaN: true }));

/** As the definition says, one after the other. */
function plainWeights(values: Float32Array, most: number, temperature: number, least: number): number[] {
  return Array.from(values, (value) => {
    const weight = value === most ? 1 : expNonPositive((value - most) * (1 / temperature));
    return weight < least ? 0 : weight;
  });
}

function plainCrossing(weights: readonly number[], target: number): number {
  let running = 0;
  let last = 0;
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue;
    running += weight;
    last = id;
    if (running > target) break;
  }
  return last;
}

const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);

describe(`a row of a vocabulary (seed ${SEED})`, () => {
  const row = new VocabularyRow();

  it('is weighed, truncated and drawn from to the bit as plain code does it', () => {
    fc.assert(
      fc.property(
        logits,
        temperature,
        least,
        fc.nat(199),
        fc.nat(3),
        fc.double({ min: 0, max: 1 }),
        (values, t, l, at, ties, u) => {
          row.load(values);
          const most = row.largest();
          expect(most + 0).toBe(Math.max(...values) + 0);
          expect(row.firstAt(most)).toBe(values.indexOf(most));
          const weights = plainWeights(values, most, t, l);
          const total = row.weigh(most, t, l);
          expect([...row.weights]).toEqual(weights);
          expect(total).toBe(sum(weights));
          const targets = (of: readonly number[]) => [0, u * sum(of), sum(of), sum(of.slice(0, at)), sum(of) * 2];
          for (const target of targets(weights)) expect(row.crossing(target)).toBe(plainCrossing(weights, target));

          const value = values[at % values.length]!;
          let left = ties;
          const kept = weights.map((weight, id) => {
            if (values[id]! > value) return weight;
            return values[id] === value && left-- > 0 ? weight : 0;
          });
          expect(row.keepOnly({ value, ties })).toBe(sum(kept));
          expect([...row.weights]).toEqual(kept);
          for (const target of targets(kept)) expect(row.crossing(target)).toBe(plainCrossing(kept, target));
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('finds the ids from a value or a weight on, and the largest of each part', () => {
    fc.assert(
      fc.property(logits, fc.nat(199), (values, at) => {
        row.load(values);
        const ids = [...values.keys()];
        const bound = values[at % values.length]!;
        expect([...row.idsWithValue(bound)]).toEqual(ids.filter((id) => values[id]! >= bound));
        expect([...row.idsWithValue(-Infinity)]).toEqual(ids);
        row.weigh(row.largest(), 1, 0);
        const weight = row.weights[at % values.length]! || 1e-9;
        expect([...row.idsWithWeight(weight)]).toEqual(ids.filter((id) => row.weights[id]! >= weight));
        const parts = [...row.partMaxima()];
        expect(parts.length).toBe(Math.ceil(values.length / 16));
        expect(parts.map((most) => most + 0)).toEqual(
          parts.map((_, part) => Math.max(...values.subarray(16 * part, 16 * part + 16)) + 0),
        );
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it('has the bits of plain exponentials over the whole range, down to where they are nothing', () => {
    const values = Float32Array.from({ length: 60_000 }, (_, id) => (-id / 60_000) * 710);
    row.load(values);
    row.weigh(0, 1, 0);
    const plain = Float64Array.from(values, expNonPositive);
    expect(Buffer.from(row.weights.slice().buffer).equals(Buffer.from(plain.buffer))).toBe(true);
  });

  it('finds a logit that is no number, wherever it stands', () => {
    for (let at = 0; at < 40; at++) {
      const values = new Float32Array(40).fill(1).fill(Number.NaN, at, at + 1);
      row.load(values);
      expect(row.largest()).toBeNaN();
    }
  });
});
