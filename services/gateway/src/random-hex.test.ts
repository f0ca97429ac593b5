import { expect, it } from 'vitest';
import { randomHex } from './random-hex.ts';

it('never says the same twice, at whatever length, and uses every digit equally', () => {
  const texts = Array.from({ length: 20_000 }, (_, i) => randomHex(12 + (i % 9)));
  expect(new Set(texts).size).toBe(texts.length);
  texts.forEach((text, i) => {
    expect(text).toMatch(/^[0-9a-f]+$/);
    expect(text.length).toBe(2 * (12 + (i % 9)));
  });
  const digits = texts.join('');
  const counts = [...'0123456789abcdef'].map((digit) => digits.split(digit).length - 1);
  const expected = digits.length / 16;
  // Eight standard deviations: it fails by chance less often than once in 10^13 runs.
  for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(8 * Math.sqrt(expected));
});
