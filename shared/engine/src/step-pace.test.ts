import { expect, it } from 'vitest';
import { StepPace } from './step-pace.ts';

it('fits prompt rows into the target time at the measured pace, and never stops prompts altogether', () => {
  const pace = new StepPace();
  expect(pace.rowsWithin(50)).toBe(Number.POSITIVE_INFINITY);
  pace.observe(2, 1000);
  expect(pace.rowsWithin(50)).toBe(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 50; i++) pace.observe(64, 128);
  expect(pace.rowsWithin(50)).toBe(25);
  for (let i = 0; i < 50; i++) pace.observe(64, 64_000);
  expect(pace.rowsWithin(50)).toBe(8);
});
