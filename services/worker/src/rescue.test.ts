/** A worker dies and the bus has not noticed: what it ran is continued by the others as soon as its leases have run out. */
import { foldEvents, isTerminalEvent, type JobEvent } from '@inkwell/contracts';
import type { WorkerRegistry, WorkerReport, WorkerWish } from '@inkwell/ports';
import { describe, expect, it } from 'vitest';
import { Bench } from './testing/bench.ts';
import { crashingPorts } from './testing/crashing-ports.ts';

const slow = { nullPaceMs: 10 };
const spec = { maxTokens: 60 };

describe('jobs of a worker that died without leaving the bus', () => {
  it('are continued in mid-sentence by another worker, before what waits there, with the same text and one end', async () => {
    await using bench = await Bench.open();
    const twin = await bench.startWorker({ engine: slow });
    const whole = await bench.submit({ spec });
    const expected = foldEvents(whole.spec, await bench.story(whole.key)).result;
    await twin.drain(0);

    const { ports, crashed } = crashingPorts(
      bench.ports,
      ({ name, arguments: given }, moment) =>
        moment === 'after' && name === 'append' && (given[3] as JobEvent[]).some((event) => event.type === 'job.delta'),
    );
    await bench.startWorker({ ports, engine: slow });
    const job = await bench.submit({ spec });
    await crashed;
    const order: string[] = [];
    await bench.startWorker({ engine: { ...slow, maxSequences: 1 }, onSubmit: (key) => order.push(key) });
    const waiting = await Promise.all(Array.from({ length: 8 }, () => bench.submit({ spec })));
    const story = await bench.story(job.key);
    expect(story.map((event) => event.seq)).toEqual(story.map((_, i) => i + 1));
    expect(story.filter(isTerminalEvent)).toHaveLength(1);
    expect(foldEvents(job.spec, story).result).toEqual(expected);
    const ours = new Set(waiting.map(({ key }) => key as string));
    // It may have begun one before the lease ran out.
    expect(order.slice(0, order.indexOf(job.key)).filter((key) => ours.has(key)).length).toBeLessThan(4);
  });

  it('are only closed when the job had ended, and never come up again', async () => {
    await using bench = await Bench.open();
    await bench.startWorker();
    const job = await bench.submit({ spec: { maxTokens: 2 } });
    await bench.story(job.key);
    await bench.eventually('idle', async () => (await bench.store.jobStore.get(job.key))?.state === 'completed');
    await bench.store.lease.seize(job.key, 'a canceller that died', 1);
    await bench.eventually('closed', async () => (await bench.store.lease.lapsed(10)).length === 0);
    expect((await bench.story(job.key)).filter(isTerminalEvent)).toHaveLength(1);
  });
});

describe('a worker that is asked to drain', () => {
  it('says so, finishes what runs, leaves the rest to others, and works again when asked', async () => {
    await using bench = await Bench.open();
    let wish: WorkerWish = 'run';
    const reports: WorkerReport[] = [];
    const registry: Pick<WorkerRegistry, 'heartbeat' | 'leave'> = {
      heartbeat: async (report) => {
        reports.push(report);
        return wish;
      },
      leave: async () => {},
    };
    const worker = await bench.startWorker({ engine: slow, registry: registry as WorkerRegistry });
    const running = await bench.submit({ spec });
    await bench.until(running.key, (event) => event.type === 'job.delta');
    wish = 'drain';
    await bench.eventually('it reports draining', () => reports.at(-1)?.draining === true && !reports.at(-1)?.ready);
    const waiting = await bench.submit({ spec: { maxTokens: 2 } });
    expect((await bench.ending(running.key)).type).toBe('job.completed');
    expect((await bench.store.jobStore.get(waiting.key))?.state).toBe('queued');
    expect(worker.stats().ready).toBe(false);
    wish = 'run';
    expect((await bench.ending(waiting.key)).type).toBe('job.completed');
    expect(worker.stats().ready).toBe(true);
  });
});
