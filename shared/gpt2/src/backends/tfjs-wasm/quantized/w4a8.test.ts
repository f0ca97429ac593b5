/** What rounding to 4 bits with whole group scales means, read back from the packed bytes as their description says. */
import { describe, expect, it } from 'vitest';
import { philox4x32 } from '../../../sampling/philox.ts';
import { conv1d, embedding } from './quantize.ts';
import { GROUP_DEPTH, type PackedW4, quantizeW4 } from './w4a8.ts';

const SEED = 20261124;
const [DEPTH, COLUMNS] = [70, 11];
const GROUPS = Math.ceil(DEPTH / GROUP_DEPTH);

function randomValues(stream: number): Float32Array {
  const size = DEPTH * COLUMNS;
  return Float32Array.from({ length: size }, (_, i) => philox4x32([i, stream, 0, 0], [SEED, 0])[0] / 2 ** 31 - 1);
}

function packed(): PackedW4 {
  const panels = Math.ceil(COLUMNS / 8);
  return {
    weight: new Uint8Array(panels * GROUPS * 128),
    scales: new Float32Array(panels * 8),
    groupScales: new Uint8Array(panels * GROUPS * 8),
  };
}

/** q and the step of input i, column o. */
function entry({ weight, scales, groupScales }: PackedW4, i: number, o: number): { q: number; step: number } {
  const group = Math.floor(o / 8) * GROUPS + Math.floor(i / 32);
  const within = i % 32;
  const byte = weight[group * 128 + Math.floor((within % 16) / 4) * 32 + (o % 8) * 4 + (within % 4)]!;
  return { q: (within < 16 ? byte & 15 : byte >> 4) - 8, step: groupScales[group * 8 + (o % 8)]! * scales[o]! };
}

describe(`quantizeW4 (seed ${SEED})`, () => {
  it('rounds every weight to the nearest of the sixteen its group can have', () => {
    const values = randomValues(1);
    const to = packed();
    quantizeW4(conv1d(values, DEPTH, COLUMNS), to);
    let squares = 0;
    let errors = 0;
    for (let o = 0; o < COLUMNS; o++) {
      for (let i = 0; i < DEPTH; i++) {
        const value = values[i * COLUMNS + o]!;
        const { q, step } = entry(to, i, o);
        const best = Math.min(7, Math.max(-8, Math.round(value / step)));
        expect(Math.abs(q * step - value)).toBeLessThanOrEqual(Math.abs(best * step - value) + 1e-6);
        squares += value ** 2;
        errors += (q * step - value) ** 2;
      }
    }
    // Uniform values and 16 steps: 1 / (16 · √3 · rms) of their size, less where clamping pays.
    expect(Math.sqrt(errors / squares)).toBeLessThan(0.07);
  });

  it('gives the same for a matrix and its transpose', () => {
    const values = randomValues(2);
    const transposed = Float32Array.from(values, (_, j) => values[(j % DEPTH) * COLUMNS + Math.floor(j / DEPTH)]!);
    const [one, other] = [packed(), packed()];
    quantizeW4(conv1d(values, DEPTH, COLUMNS), one);
    quantizeW4(embedding(transposed, DEPTH, COLUMNS), other);
    expect(other).toEqual(one);
  });

  it('leaves zeros, and what lies beyond the depth, at zero', () => {
    const values = randomValues(3).map((value, j) => (j % COLUMNS === 4 ? 0 : value));
    const to = packed();
    quantizeW4(conv1d(values, DEPTH, COLUMNS), to);
    for (let i = 0; i < GROUPS * GROUP_DEPTH; i++) {
      expect(entry(to, i, 4).q).toBe(0);
      if (i >= DEPTH) expect(entry(to, i, 0).q).toBe(0);
    }
    expect(to.scales[4]).toBe(0);
  });
});
