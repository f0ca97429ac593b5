import { InkwellError } from '@inkwell/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Breaker, type BreakerOptions, createBreaker } from './breaker.ts';
import { withBudget } from './budget.ts';

const timeoutMs = 1_000;
const restMs = 500;
let breaker: Breaker;
let told: string[];

function open(options: Partial<BreakerOptions> = {}): Breaker {
  told = [];
  breaker = createBreaker({
    dependency: 'redis',
    timeoutMs,
    restMs,
    listener: {
      onState: (dependency, state) => told.push(`${dependency} ${state}`),
      onRefusal: (dependency, reason) => told.push(`${dependency} refused: ${reason}`),
    },
    ...options,
  });
  return breaker;
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  breaker.close();
  vi.useRealTimers();
});

const answers = () => breaker.run('get', async () => 'answer');
const fails = () => breaker.run('get', () => Promise.reject(new Error('connection refused: secret')));
const never = () => new Promise<never>(() => {});
const refused = { code: 'dependency_unavailable', status: 503, retryAfterSeconds: 1 };

async function failTimes(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await expect(fails()).rejects.toMatchObject(refused);
}

describe('a breaker', () => {
  it('answers what the work answers, and turns its failure into a public error that keeps the cause for the log', async () => {
    open();
    await expect(answers()).resolves.toBe('answer');
    const error = await fails().catch((thrown: InkwellError) => thrown);
    expect(error).toMatchObject(refused);
    expect((error as InkwellError).message).not.toContain('secret');
    expect(String(((error as InkwellError).cause as Error).cause)).toContain('secret');
    await expect(
      breaker.run('get', () => {
        throw new Error('at once');
      }),
    ).rejects.toMatchObject(refused);
  });

  it('opens after three failures in a row and then refuses unasked, until a call after the rest succeeds', async () => {
    open();
    await failTimes(2);
    await answers();
    await failTimes(2);
    expect(breaker.state).toBe('closed');
    await failTimes(1);
    expect(breaker.state).toBe('open');
    const work = vi.fn(async () => 'answer');
    await expect(breaker.run('get', work)).rejects.toMatchObject(refused);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(restMs);
    expect(breaker.state).toBe('half_open');
    await expect(breaker.run('get', work)).resolves.toBe('answer');
    expect(breaker.state).toBe('closed');
    expect(told.filter((line) => !line.includes('refused'))).toEqual([
      'redis closed',
      'redis open',
      'redis half_open',
      'redis closed',
    ]);
    expect(told.at(-3)).toBe('redis refused: open');
  });

  it('lets one call try while half open, and opens again when that fails', async () => {
    open();
    await failTimes(3);
    await vi.advanceTimersByTimeAsync(restMs);
    const trying = breaker.run('get', never);
    const work = vi.fn(async () => 'answer');
    await expect(breaker.run('get', work)).rejects.toMatchObject(refused);
    expect(work).not.toHaveBeenCalled();
    const ended = expect(trying).rejects.toMatchObject(refused);
    await vi.advanceTimersByTimeAsync(timeoutMs);
    await ended;
    expect(breaker.state).toBe('open');
  });

  it('gives up on a call that does not answer, and counts that as a failure', async () => {
    open();
    const calls = [1, 2, 3].map(() => expect(breaker.run('get', never)).rejects.toMatchObject(refused));
    await vi.advanceTimersByTimeAsync(timeoutMs - 1);
    expect(breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(1);
    await Promise.all(calls);
    expect(breaker.state).toBe('open');
    expect(told).toContain('redis refused: late');
  });

  it('opens when most calls fail though some succeed in between', async () => {
    open();
    for (let i = 0; i < 10; i++) {
      await failTimes(2);
      if (breaker.state === 'closed') await answers();
      else break;
    }
    expect(breaker.state).toBe('open');
  });

  it('takes answers for answers: refusals of a queue, conflicts and our own mistakes never open it', async () => {
    open();
    const thrown = [
      new InkwellError('queue_full'),
      new InkwellError('job_exists'),
      new InkwellError('shutting_down'),
      new TypeError('ours'),
    ];
    for (let round = 0; round < 30; round++) {
      for (const error of thrown) {
        const seen: unknown = await breaker.run('create', () => Promise.reject(error)).catch((e: unknown) => e);
        if (error instanceof InkwellError) expect(seen).toBe(error);
        else expect(seen).toMatchObject(refused);
      }
    }
    expect(breaker.state).toBe('closed');
  });

  it('passes on when a dependency says itself how long it needs', async () => {
    open();
    const own = new InkwellError('dependency_unavailable', { retryAfterSeconds: 7, message: 'Moving house.' });
    const seen = breaker.run('get', () => Promise.reject(own));
    await expect(seen).rejects.toMatchObject({ code: own.code, message: own.message, retryAfterSeconds: 7 });
  });

  it('refuses with `shutting_down` once closed', async () => {
    open().close();
    await expect(answers()).rejects.toMatchObject({ code: 'shutting_down' });
  });
});

describe('a pulse', () => {
  it('notices an outage and its end without any traffic, and spares clients the trying', async () => {
    let up = true;
    open({ pulse: () => (up ? Promise.resolve() : never()), pulseMs: 500 });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(breaker.state).toBe('closed');
    up = false;
    // Three pulses half a second apart, each given up on after a second.
    await vi.advanceTimersByTimeAsync(2_500);
    expect(breaker.state).not.toBe('closed');
    const work = vi.fn(async () => 'answer');
    for (let i = 0; i < 40; i++) {
      await expect(breaker.run('get', work)).rejects.toMatchObject(refused);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(work).not.toHaveBeenCalled();
    up = true;
    await vi.advanceTimersByTimeAsync(restMs + timeoutMs + restMs);
    expect(breaker.state).toBe('closed');
    await expect(answers()).resolves.toBe('answer');
  });
});

describe('an outage', () => {
  it('is told of once it has lasted for the grace, tries in between included, and not when it was shorter', async () => {
    open({ pulse: never, pulseMs: 400 });
    const told = vi.fn();
    const stop = breaker.onOutage(3_000, told);
    const silent = vi.fn();
    breaker.onOutage(3_000, silent)();
    await vi.advanceTimersByTimeAsync(1_000 + 1_200);
    expect(breaker.state).not.toBe('closed');
    // It counts from the last call that was answered, not from when it was known.
    await vi.advanceTimersByTimeAsync(700);
    expect(told).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(told).toHaveBeenCalledTimes(1);
    expect(silent).not.toHaveBeenCalled();
    stop();
  });

  it('that ended is forgotten', async () => {
    open();
    const told = vi.fn();
    breaker.onOutage(2_000, told);
    await failTimes(3);
    await vi.advanceTimersByTimeAsync(1_000);
    await answers();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).not.toHaveBeenCalled();
  });
});

describe('a budget', () => {
  const slow = (ms: number) => () => new Promise<string>((resolve) => setTimeout(() => resolve('late'), ms));

  it('bounds all calls of one piece of work together, and is no failure of the dependency', async () => {
    open();
    const outcome = withBudget(1_500, async () => {
      const start = performance.now();
      for (let calls = 0; calls < 10; calls++) {
        const answer = await breaker.run('get', slow(600)).catch((error: InkwellError) => error.code);
        if (answer === 'dependency_unavailable') return { calls, tookMs: performance.now() - start };
      }
      return undefined;
    });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await outcome).toEqual({ calls: 2, tookMs: 1_500 });
    expect(breaker.state).toBe('closed');
    expect(told.at(-1)).toBe('redis refused: budget');
  });

  it('is spent by calls under way, once for those at the same time, and not by other waiting', async () => {
    open();
    const outcome = withBudget(1_500, async () => {
      await Promise.all([breaker.run('a', slow(900)), breaker.run('b', slow(900))]);
      await slow(60_000)();
      return breaker.run('c', slow(500));
    });
    await vi.advanceTimersByTimeAsync(70_000);
    await expect(outcome).resolves.toBe('late');
  });

  it('that is used up lets nothing begin', async () => {
    open();
    const work = vi.fn(async () => 'answer');
    const outcome = withBudget(0, () => breaker.run('get', work));
    await expect(outcome).rejects.toMatchObject(refused);
    expect(work).not.toHaveBeenCalled();
  });
});
