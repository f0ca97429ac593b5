import { describe, expect, it } from 'vitest';
import { DeadlineError, withDeadline } from './deadline.ts';
import { pauseAfter, retry } from './retry.ts';

const never = new AbortController().signal;

describe('pauses', () => {
  it('double up to the longest, each spread between its half and its whole', () => {
    const pauses = (random: number) =>
      [1, 2, 3, 4, 5, 6].map((failures) => pauseAfter(failures, { firstMs: 25, longestMs: 200, random: () => random }));
    expect(pauses(1)).toEqual([25, 50, 100, 200, 200, 200]);
    expect(pauses(0)).toEqual([12.5, 25, 50, 100, 100, 100]);
  });
});

describe('retry', () => {
  it('tries until it succeeds, and tells of every failure', async () => {
    const failures: string[] = [];
    let tries = 0;
    const work = async () => {
      tries++;
      if (tries < 4) throw new Error(`try ${tries}`);
      return tries;
    };
    const onFailure = (error: unknown) => failures.push((error as Error).message);
    await expect(retry(work, { firstMs: 1, longestMs: 2, signal: never, onFailure })).resolves.toBe(4);
    expect(failures).toEqual(['try 1', 'try 2', 'try 3']);
  });

  it('gives up with its reason when the signal aborts, also in the middle of a pause', async () => {
    const controller = new AbortController();
    const reason = new Error('we stop');
    const options = {
      firstMs: 60_000,
      longestMs: 60_000,
      signal: controller.signal,
      onFailure: () => void setImmediate(() => controller.abort(reason)),
    };
    await expect(retry(() => Promise.reject(new Error('down')), options)).rejects.toBe(reason);
    await expect(retry(async () => 'never asked', options)).rejects.toBe(reason);
  });

  it('gives up when it is told to', async () => {
    const giveUp = (error: unknown) => {
      throw error;
    };
    const outcome = retry(() => Promise.reject(new Error('for good')), {
      firstMs: 1,
      longestMs: 1,
      signal: never,
      onFailure: giveUp,
    });
    await expect(outcome).rejects.toThrow('for good');
  });
});

describe('a deadline', () => {
  it('answers what comes in time, throws what is thrown in time, and gives up on the rest', async () => {
    await expect(withDeadline(Promise.resolve(1), 'get', 60_000)).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(new Error('no')), 'get', 60_000)).rejects.toThrow('no');
    const late = withDeadline(new Promise(() => {}), 'get', 5);
    await expect(late).rejects.toThrow(DeadlineError);
    await expect(late).rejects.toThrow('get: no answer within 5 ms');
  });
});
