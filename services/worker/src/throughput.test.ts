import { expect, it } from 'vitest';
import { Throughput } from './throughput.ts';

it('knows nothing at first, then follows the pace of late, whatever the pauses between were', () => {
  const throughput = new Throughput();
  expect([throughput.tokensPerSecond, throughput.jobsPerSecond]).toEqual([0, 0]);
  for (let i = 0; i < 100; i++) throughput.observe(0.1, { tokens: 5 });
  expect(throughput.tokensPerSecond).toBeCloseTo(50);
  throughput.observe(0, { jobs: 20 });
  expect(throughput.jobsPerSecond).toBeCloseTo(20 / 10, 0);
  for (let i = 0; i < 3000; i++) throughput.observe(0.1, { tokens: 10 });
  expect(throughput.tokensPerSecond).toBeCloseTo(100, 1);
});
