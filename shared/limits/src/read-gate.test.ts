import { expect, it } from 'vitest';
import { createReadGate } from './read-gate.ts';

it('lets each caller pass as often as it may, and says when to come back', async () => {
  const gate = createReadGate(50);
  const waits = await Promise.all(Array.from({ length: 200 }, () => gate('a')));
  expect(waits.filter(({ waitMs }) => waitMs === 0)).toHaveLength(50);
  for (const { waitMs } of waits) expect(waitMs).toBeLessThanOrEqual(60_000);
  expect(waits.map(({ first }) => first).indexOf(true)).toBe(50);
  expect(waits.filter(({ first }) => first)).toHaveLength(1);
  expect(await gate('b')).toEqual({ waitMs: 0, first: false });
});

it('is open when it is off', async () => {
  const gate = createReadGate(null);
  const passes = await Promise.all(Array.from({ length: 1_000 }, () => gate('a')));
  expect(new Set(passes.map(({ waitMs }) => waitMs))).toEqual(new Set([0]));
});
