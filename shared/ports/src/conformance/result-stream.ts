/** What every ResultStream promises of appending and reading. Following has a suite of its own. */
import type { JobKey, NewJobEvent } from '@inkwell/contracts';
import { terminalStates } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { delta, newKey, queued, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const ttlMs = 60_000;

export function resultStreamConformance(makeAdapter: MakeAdapter<'resultStream' | 'lease'>): void {
  describe('ResultStream: append and read', () => {
    const adapter = withAdapter(makeAdapter);
    const stream = () => adapter().resultStream;
    const story = (key: JobKey) => stream().read(key, 0, 10_000);

    it('numbers events from 1 without a gap and keeps them as they were given', async () => {
      const key = newKey(newTenant());
      const events: NewJobEvent[] = [queued, delta('é "💡" \\ \u0000'), delta(''), terminal('completed')];
      expect(await stream().append(key, 0, 0, events.slice(0, 1))).toBe('ok');
      expect(await stream().append(key, 0, 1, events.slice(1))).toBe('ok');
      expect(await story(key)).toEqual(events.map((event, index) => ({ ...event, seq: index + 1 })));
    });

    it('reads what lies after a number, at most as many as asked for', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, delta('a'), delta('b'), delta('c')]);
      const seqs = async (afterSeq: number, limit: number) =>
        (await stream().read(key, afterSeq, limit)).map(({ seq }) => seq);
      expect(await seqs(0, 2)).toEqual([1, 2]);
      expect(await seqs(2, 2)).toEqual([3, 4]);
      expect(await seqs(4, 2)).toEqual([]);
      expect(await seqs(99, 2)).toEqual([]);
    });

    it('knows the last event, and that a story has none', async () => {
      const key = newKey(newTenant());
      expect(await stream().last(key)).toBeUndefined();
      expect(await story(key)).toEqual([]);
      await stream().append(key, 0, 0, [queued, delta('a')]);
      expect(await stream().last(key)).toEqual({ ...delta('a'), seq: 2 });
    });

    it('lets exactly one of 100 parallel appends at the same place win', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued]);
      const answers = await atOnce(100, (index) => stream().append(key, 0, 1, [delta(`${index}`), delta('end')]));
      expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1);
      const winner = delta(`${answers.indexOf('ok')}`);
      expect(await story(key)).toEqual(
        [queued, winner, delta('end')].map((event, index) => ({ ...event, seq: index + 1 })),
      );
    });

    it.each([
      ['before the end', 1],
      ['beyond the end', 3],
    ])('refuses to write %s of the story', async (_where, afterSeq) => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, delta('a')]);
      expect(await stream().append(key, 0, afterSeq, [delta('b')])).toBe('stale');
      expect(await story(key)).toHaveLength(2);
    });

    it.each(terminalStates)('lets nothing follow job.%s', async (state) => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, terminal(state)]);
      expect(await stream().append(key, 0, 2, [delta('more')])).toBe('stale');
      expect(await stream().append(key, 0, 2, [terminal('completed')])).toBe('stale');
      expect(await stream().last(key)).toEqual({ ...terminal(state), seq: 2 });
      expect(await story(key)).toHaveLength(2);
    });

    it('writes only for the newest fence of the job', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued]);
      expect(await stream().append(key, 1, 1, [delta('a fence nobody gave')])).toBe('stale');
      await adapter().lease.acquire(key, 'a', ttlMs);
      expect(await stream().append(key, 0, 1, [delta('no fence')])).toBe('stale');
      expect(await stream().append(key, 1, 1, [delta('first holder')])).toBe('ok');
      await adapter().lease.seize(key, 'b', ttlMs);
      expect(await stream().append(key, 1, 2, [delta('overtaken')])).toBe('stale');
      expect(await stream().append(key, 2, 2, [delta('second holder')])).toBe('ok');
      expect(await stream().append(key, 3, 3, [delta('from the future')])).toBe('stale');
      expect((await story(key)).map((event) => 'delta' in event && event.delta)).toEqual([
        false,
        'first holder',
        'second holder',
      ]);
    });

    it('still writes for a lease that ran out or was given back, as long as nobody took it', async () => {
      const key = newKey(newTenant());
      await adapter().lease.acquire(key, 'a', 100);
      await adapter().advance(101);
      expect(await stream().append(key, 1, 0, [queued])).toBe('ok');
      await adapter().lease.release(key, 1);
      expect(await stream().append(key, 1, 1, [delta('a')])).toBe('ok');
    });

    it('keeps stories of different jobs apart', async () => {
      const [one, other] = [newKey(newTenant()), newKey(newTenant())];
      await stream().append(one, 0, 0, [queued, delta('one')]);
      expect(await stream().append(other, 0, 0, [queued])).toBe('ok');
      expect(await story(other)).toHaveLength(1);
    });

    it('has no gap and no event of a refused append, whoever writes at once and wherever', async () => {
      const write = fc.record({ afterSeq: fc.nat({ max: 6 }), count: fc.integer({ min: 1, max: 3 }) });
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
          const key = newKey(newTenant());
          const named = writes.map(({ count }, writer) =>
            Array.from({ length: count }, (_, part) => `${writer}.${part}`),
          );
          const answers = await Promise.all(
            writes.map(({ afterSeq }, writer) => stream().append(key, 0, afterSeq, named[writer]!.map(delta))),
          );
          const events = await story(key);
          expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
          for (const [writer, answer] of answers.entries()) {
            const { afterSeq } = writes[writer]!;
            const there = events
              .slice(afterSeq, afterSeq + named[writer]!.length)
              .map((event) => 'delta' in event && event.delta);
            if (answer === 'ok') expect(there).toEqual(named[writer]);
          }
          const accepted = answers.flatMap((answer, writer) => (answer === 'ok' ? named[writer]! : []));
          expect(events).toHaveLength(accepted.length);
        }),
        { numRuns: 40 },
      );
    });
  });
}
