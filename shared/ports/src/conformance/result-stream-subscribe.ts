/** What every ResultStream promises those it tells a story; that nothing is missing or twice, `follow`, which is made of it, is held to. */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { type MakeAdapter, newTenant } from './harness.ts';
import { delta, newKey, queued, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

/** Keeps what it is told; `ended` resolves with how it ended, `after(n)` when it was told so many events. */
function recorder(hold: () => Promise<void> | undefined = () => undefined) {
  const seen: JobEvent[] = [];
  const waiting = new Map<number, () => void>();
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  return {
    seen,
    ended,
    after: (count: number) =>
      seen.length >= count ? Promise.resolve() : new Promise<void>((told) => waiting.set(count, told)),
    reader: {
      tell(events: readonly JobEvent[]) {
        seen.push(...events);
        for (const [count, told] of waiting) if (seen.length >= count) told();
        return hold();
      },
      end: resolve,
    },
  };
}

export function resultStreamSubscribeConformance(makeAdapter: MakeAdapter<'resultStream'>): void {
  describe('ResultStream: subscribe', () => {
    const adapter = withAdapter(makeAdapter);
    const stream = () => adapter().resultStream;
    const story = (key: JobKey) => stream().read(key, 0, 1_000);

    it('tells what was there and what comes, then that it was all', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, delta('a')]);
      const [whole, rest] = [recorder(), recorder()];
      stream().subscribe(key, 0, whole.reader);
      stream().subscribe(key, 1, rest.reader);
      await Promise.all([whole.after(2), rest.after(1)]);
      await stream().append(key, 0, 2, [delta('b')]);
      await stream().append(key, 0, 3, [delta('c'), terminal('completed')]);
      expect(await Promise.all([whole.ended, rest.ended])).toEqual([undefined, undefined]);
      expect(whole.seen).toEqual(await story(key));
      expect(rest.seen).toEqual(whole.seen.slice(1));
    });

    it('tells nothing before it has returned, and the end at once to who is behind it', async () => {
      const key = newKey(newTenant());
      await stream().append(key, 0, 0, [queued, terminal('failed')]);
      for (const [afterSeq, count] of [
        [0, 2],
        [2, 0],
        [7, 0],
      ] as const) {
        const one = recorder();
        let returned = false;
        const early: boolean[] = [];
        stream().subscribe(key, afterSeq, {
          tell(events) {
            early.push(!returned);
            return one.reader.tell(events);
          },
          end(error) {
            early.push(!returned);
            one.reader.end(error);
          },
        });
        returned = true;
        expect(await one.ended).toBeUndefined();
        expect(one.seen).toHaveLength(count);
        expect(early).not.toContain(true);
      }
    });

    it('holds the story back for a reader that asks for it, and for nobody else', async () => {
      const key = newKey(newTenant());
      let release = () => {};
      const slow = recorder(() => {
        const held = Promise.withResolvers<void>();
        release = held.resolve;
        return held.promise;
      });
      const quick = recorder();
      stream().subscribe(key, 0, slow.reader);
      stream().subscribe(key, 0, quick.reader);
      await stream().append(key, 0, 0, [queued]);
      await Promise.all([slow.after(1), quick.after(1)]);
      for (let seq = 1; seq < 200; seq++) await stream().append(key, 0, seq, [delta(`${seq}`)]);
      await stream().append(key, 0, 200, [terminal('completed')]);
      await quick.ended;
      expect(slow.seen).toHaveLength(1);
      for (let told = 1; told < 201; told = slow.seen.length) {
        release();
        await slow.after(told + 1);
      }
      release();
      await slow.ended;
      expect(slow.seen).toEqual(quick.seen);
      expect(slow.seen).toEqual(await story(key));
    });

    it('tells nothing to who has left: before the first event, between two, or in the middle of one', async () => {
      const key = newKey(newTenant());
      const witness = recorder();
      const [never, once, inside] = [recorder(), recorder(), recorder()];
      stream().subscribe(key, 0, witness.reader);
      stream().subscribe(key, 0, never.reader).leave();
      const toOnce = stream().subscribe(key, 0, once.reader);
      const toInside = stream().subscribe(key, 0, {
        tell(events) {
          toInside.leave();
          return inside.reader.tell(events);
        },
        end: inside.reader.end,
      });
      await stream().append(key, 0, 0, [queued]);
      await Promise.all([witness.after(1), once.after(1), inside.after(1)]);
      toOnce.leave();
      toOnce.leave();
      await stream().append(key, 0, 1, [delta('a'), terminal('completed')]);
      await witness.ended;
      expect([never, once, inside].map(({ seen }) => seen.length)).toEqual([0, 1, 1]);
      const ends = [never, once, inside].map(({ ended }) => ended.then(() => 'ended'));
      expect(await Promise.race([...ends, story(key).then(() => 'silent')])).toBe('silent');
    });

    it('tells many stories to many readers at once', async () => {
      const keys = Array.from({ length: 50 }, () => newKey(newTenant()));
      const readers = keys.flatMap((key) => Array.from({ length: 4 }, () => [key, recorder()] as const));
      for (const [key, { reader }] of readers) stream().subscribe(key, 0, reader);
      for (let seq = 0; seq < 10; seq++)
        await Promise.all(keys.map((key) => stream().append(key, 0, seq, [delta(`${key} ${seq}`)])));
      await Promise.all(keys.map((key) => stream().append(key, 0, 10, [terminal('completed')])));
      for (const [key, one] of readers) {
        expect(await one.ended).toBeUndefined();
        expect(one.seen).toEqual(await story(key));
      }
    });
  });
}
