/** Appends whose answers are lost, and outages longer than a lease: one story, told once, by whoever has the job then. */
import { foldEvents, InkwellError, isTerminalEvent, type JobEvent } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { expect, it } from 'vitest';
import { Bench } from './testing/bench.ts';

const spec = { maxTokens: 40 };

function expectWhole(story: readonly JobEvent[]): void {
  expect(story.map((event) => event.seq)).toEqual(story.map((_, index) => index + 1));
  expect(story.filter(isTerminalEvent)).toHaveLength(1);
  expect(story.at(-1)?.type).toBe('job.completed');
}

it('knows its own append again that was done after it had been looked for, and goes on writing', async () => {
  await using bench = await Bench.open();
  const { resultStream } = bench.store;
  let held: (() => Promise<unknown>) | undefined;
  let late = 0;
  const ports = {
    resultStream: Object.assign(Object.create(resultStream) as ResultStream, {
      append: async (...given: Parameters<ResultStream['append']>) => {
        const isText = given[3].some((event) => event.type === 'job.delta');
        // No answer, and it is done only when the worker tries again.
        if (isText && held === undefined && late < 3) {
          held = () => resultStream.append(...given);
          throw new InkwellError('dependency_unavailable');
        }
        if (isText && held !== undefined) {
          late++;
          await held();
          held = undefined;
        }
        return resultStream.append(...given);
      },
    }),
  };
  await bench.startWorker({ ports, engine: { nullPaceMs: 5 } });
  const job = await bench.submit({ spec });
  const story = await bench.story(job.key);
  expect(late).toBeGreaterThan(0);
  expectWhole(story);
  expect(story.filter((event) => event.type === 'job.started')).toHaveLength(1);
});

it('goes on after an outage that outlasted the lease, here or elsewhere, with the same bytes', async () => {
  await using bench = await Bench.open();
  const slow = { nullPaceMs: 10 };
  const twin = await bench.startWorker({ engine: slow });
  const whole = await bench.submit({ spec });
  const expected = foldEvents(whole.spec, await bench.story(whole.key)).result;
  await twin.drain(0);

  let away: Promise<void> | undefined;
  const reachable = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, property) {
        const method: unknown = Reflect.get(target, property, target);
        if (typeof method !== 'function' || property === 'consume') return method;
        return async (...given: unknown[]) => {
          if (away !== undefined) throw new InkwellError('dependency_unavailable');
          return Reflect.apply(method, target, given);
        };
      },
    });
  const { jobStore, resultStream, lease } = bench.ports;
  const ports = { jobStore: reachable(jobStore), resultStream: reachable(resultStream), lease: reachable(lease) };
  const leaseTtlMs = 300;
  for (let i = 0; i < 2; i++) await bench.startWorker({ ports, engine: slow, limits: { leaseTtlMs } });
  const jobs = await Promise.all(Array.from({ length: 6 }, () => bench.submit({ spec })));
  await Promise.all(jobs.map((job) => bench.until(job.key, (event) => event.type === 'job.delta')));
  const back = Promise.withResolvers<void>();
  away = back.promise;
  // Nobody can renew: every lease runs out while its holder lives.
  await bench.eventually('leases lapse', async () => (await lease.lapsed(10)).length > 0);
  await new Promise((resolve) => setTimeout(resolve, 2 * leaseTtlMs));
  away = undefined;
  const healedAt = performance.now();
  const stories = await Promise.all(jobs.map((job) => bench.story(job.key)));
  for (const [index, story] of stories.entries()) {
    expectWhole(story);
    expect(foldEvents(jobs[index]!.spec, story).result).toEqual(expected);
  }
  expect(performance.now() - healedAt).toBeLessThan(20_000);
});
