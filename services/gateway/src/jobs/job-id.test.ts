import { describe, expect, it } from 'vitest';
import { newJobId } from './job-id.ts';

describe('ids of jobs', () => {
  it('are in the order of their times, whatever comes behind', () => {
    const times = [0, 1, 255, 256, 2 ** 40, 2 ** 40 + 1, 2 ** 48 - 1];
    const ids = times.map((at) => newJobId(at));
    expect(ids.toSorted()).toEqual(ids);
    for (const id of ids) expect(id).toMatch(/^job_[0-9a-f]{32}$/);
  });

  it('of one moment are all different', () => {
    const count = 10_000;
    expect(new Set(Array.from({ length: count }, () => newJobId(1))).size).toBe(count);
  });
});
