import { expect, it } from 'vitest';
import { createReadGate } from './read-gate.ts';

it('lets each caller pass as often as it may, and says when to come back', async () => {
  const gate = createReadGate(50);
  const waits = await Promise.all(Array.from({ length: 200 }, () => gate('a')));
  expect(waits.filter((wait) => wait === 0)).toHaveLength(50);
  for (const wait of waits.filter((one) => one > 0)) expect(wait).toBeLessThanOrEqual(60_000);
  expect(await gate('b')).toBe(0);
});

it('is open when it is off', async () => {
  const gate = createReadGate(null);
  expect(new Set(await Promise.all(Array.from({ length: 1_000 }, () => gate('a'))))).toEqual(new Set([0]));
});
