import { describe, expect, it } from 'vitest';
import { philox4x32, uniform } from './philox.ts';

describe('Philox4x32-10', () => {
  // Known answers published with the paper's library (Random123, kat_vectors).
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('of counter %j under key %j', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });
});

describe('uniform', () => {
  const draws = Array.from({ length: 20_000 }, (_, position) => uniform(42, 0, position));

  it('lies in [0, 1) and fills it evenly', () => {
    expect(draws.every((u) => u >= 0 && u < 1)).toBe(true);
    const counts = new Array(100).fill(0);
    for (const u of draws) counts[Math.floor(u * 100)]++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    // 99 degrees of freedom: 99.9 % lie below 148.2.
    expect(chiSquare).toBeLessThan(148.2);
  });

  it('differs by seed, stream and position, and by nothing else', () => {
    expect(uniform(42, 0, 7)).toBe(draws[7]);
    expect(uniform(42n, 0, 7)).toBe(draws[7]);
    expect(uniform(42n + 2n ** 64n, 0, 7)).toBe(draws[7]);
    const others = [
      uniform(43, 0, 7),
      uniform(42, 1, 7),
      uniform(42, 0, 8),
      uniform(42n + 2n ** 32n, 0, 7),
      uniform(-42, 0, 7),
    ];
    expect(new Set([draws[7], ...others]).size).toBe(6);
  });
});
