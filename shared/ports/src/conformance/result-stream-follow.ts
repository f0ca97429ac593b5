/** What every ResultStream promises its followers: every event once and in order, whenever they come, and an end. */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResultStream } from '../result-stream.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { delta, newKey, queued, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const failure = { message: '', type: 'server_error' as const, param: null, code: 'generation_failed' as const };
const never = () => new AbortController().signal;
const upTo = (last: number, first = 1) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

export function resultStreamFollowConformance(makeAdapter: MakeAdapter<'resultStream'>): void {
  describe('ResultStream: follow', () => {
    const adapter = withAdapter(makeAdapter);
    const stream = () => adapter().resultStream;

    it('replays a finished story from any place and ends', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, delta('a'), delta('b'), terminal('completed')]);
      for (const afterSeq of [0, 1, 2, 3]) {
        const events = await collect(stream().follow(key, afterSeq, never()));
        expect(events).toEqual(await stream().read(key, afterSeq, 10));
      }
    });

    it('ends at once when the terminal event is behind it already', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, terminal('failed')]);
      expect(await collect(stream().follow(key, 2, never()))).toEqual([]);
      expect(await collect(stream().follow(key, 7, never()))).toEqual([]);
    });

    it('waits for a story that has not begun, and goes through it to the end', async () => {
      const key = newKey(newTenant());
      const following = seqs(stream().follow(key, 0, never()));
      await stream().append(key, 0, 0, [queued]);
      await stream().append(key, 0, 1, [delta('a'), delta('b')]);
      await stream().append(key, 0, 3, [terminal('cancelled')]);
      expect(await following).toEqual(upTo(4));
    });

    it('shows live what read shows later, to the byte', async () => {
      const key = newKey(newTenant());
      const live = collect(stream().follow(key, 0, never()));
      await stream().append(key, 0, 0, [queued, delta('é "💡" \\ \u0000')]);
      await stream().append(key, 0, 2, [terminal('incomplete')]);
      expect(JSON.stringify(await live)).toBe(JSON.stringify(await stream().read(key, 0, 10)));
    });

    it('gives a follower who is far behind every event of a long story', async () => {
      const key = newKey(newTenant());
      await append(stream(), key, 1500, 50);
      expect(await seqs(stream().follow(key, 0, never()))).toEqual(upTo(1500));
      expect(await seqs(stream().follow(key, 700, never()))).toEqual(upTo(1500, 701));
    });

    it('loses nothing between replay and live: followers who come at every moment see every event once', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 25 }),
          fc.array(fc.record({ arrival: fc.nat({ max: 25 }), behind: fc.nat({ max: 12 }) }), { maxLength: 12 }),
          async (batches, arrivals) => {
            const key = newKey(newTenant());
            const following: Promise<{ from: number; seen: number[] }>[] = [];
            let seq = 0;
            for (const [index, count] of batches.entries()) {
              for (const { arrival, behind } of arrivals) {
                const from = Math.max(0, seq - behind);
                const follow = async () => ({ from, seen: await seqs(stream().follow(key, from, never())) });
                if (arrival === index) following.push(follow());
              }
              const last = index === batches.length - 1;
              const events = Array.from({ length: count }, (_, part) => delta(`${part}`));
              await stream().append(key, 0, seq, last ? [...events, terminal('completed')] : events);
              seq += count;
            }
            for (const { from, seen } of await Promise.all(following)) expect(seen).toEqual(upTo(seq + 1, from + 1));
          },
        ),
        { numRuns: 40 },
      );
    });

    it('begins after any event of an append, also one that others have just been shown', async () => {
      const key = newKey(newTenant());
      const first = stream().follow(key, 0, never())[Symbol.asyncIterator]();
      const waiting = first.next();
      await stream().append(key, 0, 0, [queued, delta('a'), delta('b'), delta('c')]);
      await waiting;
      const following = upTo(5, 0).map((afterSeq) => seqs(stream().follow(key, afterSeq, never())));
      await stream().append(key, 0, 4, [delta('d'), terminal('completed')]);
      expect(await Promise.all(following)).toEqual(upTo(5, 0).map((afterSeq) => upTo(6, afterSeq + 1)));
      expect(await seqs({ [Symbol.asyncIterator]: () => first })).toEqual(upTo(6, 2));
    });

    it('shows 200 followers the same story while it is written', async () => {
      const key = newKey(newTenant());
      const following = atOnce(200, () => seqs(stream().follow(key, 0, never())));
      await append(stream(), key, 60, 3);
      for (const seen of await following) expect(seen).toEqual(upTo(60));
    });

    it('gives a slow follower everything, and does not hold up the writer or the others', async () => {
      const key = newKey(newTenant());
      const slow = stream().follow(key, 0, never())[Symbol.asyncIterator]();
      await stream().append(key, 0, 0, [queued]);
      expect((await slow.next()).value).toMatchObject({ seq: 1 });
      const quick = seqs(stream().follow(key, 0, never()));
      await append(stream(), key, 400, 7, 1);
      expect(await quick).toEqual(upTo(400));
      expect(await seqs({ [Symbol.asyncIterator]: () => slow })).toEqual(upTo(400, 2));
    });

    it('ends quietly when aborted before it begins', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued]);
      expect(await collect(stream().follow(key, 0, AbortSignal.abort()))).toEqual([]);
    });

    it('ends quietly when aborted while it waits, also with many on one signal', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued]);
      const controller = new AbortController();
      const following = atOnce(20, async () => {
        const seen: number[] = [];
        for await (const event of stream().follow(key, 0, controller.signal)) seen.push(event.seq);
        return seen;
      });
      const witness = stream().follow(key, 0, controller.signal)[Symbol.asyncIterator]();
      await witness.next();
      const waiting = witness.next();
      controller.abort();
      expect(await waiting).toEqual({ done: true, value: undefined });
      for (const seen of await following) expect(upTo(1)).toEqual(expect.arrayContaining(seen));
    });

    it('ends quietly when aborted in the middle of a replay, and hands out nothing more', async () => {
      const key = newKey(newTenant());
      await append(stream(), key, 20, 20);
      const controller = new AbortController();
      const seen: number[] = [];
      for await (const { seq } of stream().follow(key, 0, controller.signal)) {
        seen.push(seq);
        if (seq === 5) controller.abort();
      }
      expect(seen).toEqual(upTo(5));
    });

    it('tells the end alone to those who wait for it: before, while and after it is written', async () => {
      const key = newKey(newTenant());
      const early = atOnce(5, () => stream().awaitEnd(key, never()));
      await stream().append(key, 0, 0, [queued, delta('a')]);
      const midway = stream().awaitEnd(key, never());
      const whole = seqs(stream().follow(key, 0, never()));
      await stream().append(key, 0, 2, [delta('b'), terminal('incomplete')]);
      const end = { ...terminal('incomplete'), seq: 4 };
      expect([...(await early), await midway, await stream().awaitEnd(key, never())]).toEqual(Array(7).fill(end));
      expect(await whole).toEqual(upTo(4));
    });

    it('tells an end of any size', async () => {
      const key = newKey(newTenant());
      const waiting = stream().awaitEnd(key, never());
      await stream().append(key, 0, 0, [queued]);
      const text = 'é'.repeat(100_000);
      const outcome = { state: 'failed' as const, result: null, error: { ...failure, message: text }, finishedAt: 9 };
      await stream().append(key, 0, 1, [{ type: 'job.failed', at: 9, outcome }]);
      expect((await waiting)?.outcome.error?.message).toBe(text);
    });

    it('lets those go who will not wait for the end any longer, and tells the others', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued]);
      const controller = new AbortController();
      const leaving = atOnce(3, () => stream().awaitEnd(key, controller.signal));
      const staying = stream().awaitEnd(key, never());
      controller.abort();
      expect(await leaving).toEqual(Array(3).fill(undefined));
      expect(await stream().awaitEnd(key, controller.signal)).toBeUndefined();
      await stream().append(key, 0, 1, [terminal('cancelled')]);
      expect(await staying).toMatchObject({ seq: 2 });
    });

    it('may be left in the middle, and others go on', async () => {
      const key = newKey(newTenant());
      const other = seqs(stream().follow(key, 0, never()));
      await stream().append(key, 0, 0, [queued, delta('a')]);
      for await (const _event of stream().follow(key, 0, never())) break;
      await stream().append(key, 0, 2, [terminal('completed')]);
      expect(await other).toEqual(upTo(3));
    });
  });
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const seen: JobEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

async function seqs(events: AsyncIterable<JobEvent>): Promise<number[]> {
  return (await collect(events)).map(({ seq }) => seq);
}

/** Writes the story on to number `last`, which is terminal, so many events at a time. */
async function append(stream: ResultStream, key: JobKey, last: number, atATime: number, from = 0): Promise<void> {
  for (let seq = from; seq < last; ) {
    const count = Math.min(atATime, last - seq);
    const events = Array.from({ length: count }, (_, index) =>
      seq + index + 1 === last ? terminal('completed') : delta(`${seq + index + 1}`),
    );
    expect(await stream.append(key, 0, seq, events)).toBe('ok');
    seq += count;
  }
}
