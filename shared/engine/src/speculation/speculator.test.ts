import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sequence } from '../sequence.ts';
import { lookUp } from './prompt-lookup.ts';
import { Speculator } from './speculator.ts';
import { StepCost } from './step-cost.ts';

describe('lookUp', () => {
  it('goes on as the text did after the longest agreement', () => {
    expect(lookUp([1, 2, 3, 4, 9, 2, 3, 5, 9, 1, 2, 3], 3)).toEqual([4, 9, 2]);
  });

  it('prefers the latest of equal agreements', () => {
    expect(lookUp([2, 3, 4, 8, 2, 3, 5, 9, 2, 3], 2)).toEqual([5, 9]);
  });

  it('guesses nothing after an end that is new, or whose last token alone was seen', () => {
    expect(lookUp([1, 2, 3], 4)).toEqual([]);
    expect(lookUp([1, 2, 7, 9, 2], 4)).toEqual([]);
    expect(lookUp([], 4)).toEqual([]);
    expect(lookUp([1, 2, 1, 2], 0)).toEqual([]);
  });

  it('continues a text of any period for ever', () => {
    const period = fc.array(fc.nat(5), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(period, fc.integer({ min: 1, max: 20 }), (unit, count) => {
        const text = Array.from({ length: unit.length * 20 + count }, (_, i) => unit[i % unit.length]!);
        expect(lookUp(text.slice(0, -count), count)).toEqual(text.slice(-count));
      }),
      { seed: 5 },
    );
  });
});

describe('StepCost', () => {
  it('knows nothing, then takes unseen rows to be free, then to cost as measured ones do', () => {
    const cost = new StepCost();
    expect(cost.of(4)).toBeUndefined();
    cost.observe(4, 10);
    expect(cost.of(3)).toBeUndefined();
    expect(cost.of(12)).toBe(10);
    cost.observe(8, 18);
    expect(cost.of(6)).toBe(14);
    expect(cost.of(12)).toBe(26);
  });

  it('forgets what it has not seen for a thousand steps', () => {
    const cost = new StepCost();
    cost.observe(5, 100);
    for (let i = 0; i < 1001; i++) cost.observe(1, 10);
    expect(cost.of(5)).toBe(10);
  });
});

/** Steps of `texts` texts that repeat themselves, or never do; a step costs `ms(rows)`. Answers the drafts of the last hundred of 300 steps. */
function drafts(texts: readonly ('repeats' | 'new')[], ms: (rows: number) => number): number[][] {
  const speculator = new Speculator('auto');
  const sequences = texts.map((_, i) => new Sequence(Array.from({ length: 20 }, (_, k) => 1000 * (i + 1) + (k % 5))));
  let fresh = 1_000_000;
  const counts: number[][] = [];
  for (let step = 0; step < 300; step++) {
    const drafted = speculator.draft(sequences, 64);
    const each = sequences.map((sequence) => drafted.get(sequence)?.length ?? 0);
    sequences.forEach((sequence, i) => {
      // A text that never repeats what it says, though it always ends as if it would.
      const last = sequence.tokens.length;
      for (let k = 0; k <= each[i]!; k++) {
        if (texts[i] === 'repeats') sequence.tokens.push(sequence.tokens.at(-5)!);
        else if (k === 0) sequence.tokens.push(last % 3 === 0 ? fresh++ : 1000 * (i + 1) + (last % 3));
      }
    });
    speculator.observe(
      texts.length + each.reduce((sum, one) => sum + one, 0),
      ms(texts.length + each.reduce((a, b) => a + b, 0)),
    );
    if (step >= 200) counts.push(each);
  }
  return counts;
}

const total = (counts: readonly number[][]) => counts.flat().reduce((sum, one) => sum + one, 0);

describe('what pays', () => {
  it('drafts all it can for a text that repeats itself while rows are cheap', () => {
    const counts = drafts(['repeats'], (rows) => 10 + 0.1 * rows);
    expect(counts.every(([one]) => one === 8)).toBe(true);
  });

  it('drafts nothing where a row costs what a step costs', () => {
    expect(total(drafts(['repeats'], (rows) => 10 * rows))).toBe(0);
  });

  it('drafts next to nothing for a text that does not repeat itself, cheap as rows may be', () => {
    expect(total(drafts(['new'], (rows) => 10 + rows))).toBeLessThan(20);
  });

  it('delays no text without a draft by more than a tenth', () => {
    const counts = drafts(['repeats', 'new', 'new', 'new'], (rows) => 10 + rows);
    const cost = (rows: number) => 10 + rows;
    for (const each of counts) expect(cost(4 + each.reduce((a, b) => a + b, 0))).toBeLessThanOrEqual(1.1 * cost(4));
    expect(total(counts)).toBeGreaterThan(0);
  });

  it('leaves a text no room beyond its last token', () => {
    const speculator = new Speculator('always');
    const sequence = new Sequence([1, 2, 3, 1, 2, 3, 1, 2], [], undefined, 11);
    expect(speculator.draft([sequence], 64).get(sequence)).toEqual([3, 1]);
    sequence.tokens.push(3, 1);
    expect(speculator.draft([sequence], 64).size).toBe(0);
  });
});
