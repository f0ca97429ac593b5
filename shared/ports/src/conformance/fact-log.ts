/** What every FactLog promises: each group hears of everything that happened, in order, until it has taken it in. */
import { randomUUID } from 'node:crypto';
import type { Fact } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { Chronicle } from './chronicle.ts';
import { atOnce, type MakeAdapter } from './harness.ts';
import { fact } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function factLogConformance(makeAdapter: MakeAdapter<'factLog'>): void {
  describe('FactLog', () => {
    const adapter = withAdapter(makeAdapter);
    const log = () => adapter().factLog;
    const newGroup = () => `group-${randomUUID()}`;
    const newSubject = () => `subject-${randomUUID()}`;

    it('tells a group what was published before and after it came, whole', async () => {
      const [early, late] = [
        fact(newSubject()),
        fact(newSubject(), { body: { text: 'ü 💡 "x"', nested: { n: [1.5] } } }),
      ];
      await log().publish(early);
      const chronicle = await Chronicle.open(log(), newGroup());
      await log().publish(late);
      await chronicle.until(() => chronicle.has(early) && chronicle.has(late));
      expect(chronicle.of(early.subject)).toEqual([early]);
      expect(chronicle.of(late.subject)).toEqual([late]);
      chronicle.die();
    });

    it('keeps the facts of each subject in order, however many are published at once', async () => {
      const subjects = Array.from({ length: 7 }, newSubject);
      const facts = Array.from({ length: 350 }, (_, index) => fact(subjects[index % 7]!, { at: index }));
      const chronicle = await Chronicle.open(log(), newGroup());
      await Promise.all(facts.map((published) => log().publish(published)));
      await chronicle.until(() => facts.every((published) => chronicle.has(published)));
      for (const subject of subjects) {
        expect(chronicle.of(subject)).toEqual(facts.filter((published) => published.subject === subject));
      }
      chronicle.die();
    });

    it('never runs two handlers of a consumer at once', async () => {
      const facts = Array.from({ length: 40 }, () => fact(newSubject()));
      let running = 0;
      let most = 0;
      const chronicle = await Chronicle.open(log(), newGroup(), async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
      });
      await Promise.all(facts.map((published) => log().publish(published)));
      await chronicle.until(() => facts.every((published) => chronicle.has(published)));
      expect(most).toBe(1);
      chronicle.die();
    });

    it('tells again what the handler rejected, in order, before anything later of that subject', async () => {
      const subject = newSubject();
      const facts = Array.from({ length: 6 }, (_, index) => fact(subject, { at: index }));
      const attempts: Fact[][] = [];
      const chronicle = await Chronicle.open(log(), newGroup(), async (batch) => {
        const ours = batch.filter((told) => told.subject === subject);
        if (ours.length === 0) return;
        attempts.push(ours);
        if (attempts.length <= 3) throw new Error('The store is down.');
      });
      for (const published of facts) await log().publish(published);
      await chronicle.until(() => facts.every((published) => chronicle.has(published)));
      expect(attempts.length).toBeGreaterThan(3);
      for (const attempt of attempts.slice(0, 4)) expect(attempt[0]).toEqual(facts[0]);
      expect(chronicle.of(subject)).toEqual(facts);
      chronicle.die();
    });

    it('tells every group', async () => {
      const facts = Array.from({ length: 5 }, () => fact(newSubject()));
      const [one, other] = await atOnce(2, () => Chronicle.open(log(), newGroup()));
      await Promise.all(facts.map((published) => log().publish(published)));
      for (const chronicle of [one!, other!]) {
        await chronicle.until(() => facts.every((published) => chronicle.has(published)));
        chronicle.die();
      }
    });

    it('goes on where a group was when it left, and repeats nothing it had taken in', async () => {
      const group = newGroup();
      const [before, after] = [fact(newSubject()), fact(newSubject())];
      const first = await Chronicle.open(log(), group);
      await log().publish(before);
      await first.until(() => first.has(before));
      first.die();
      await log().publish(after);
      const second = await Chronicle.open(log(), group);
      await second.until(() => second.has(after));
      expect(second.of(before.subject)).toEqual([]);
      second.die();
    });

    it('tells the next of its group what a consumer left untaken', async () => {
      const group = newGroup();
      const published = fact(newSubject());
      const stuck = await Chronicle.open(log(), group, async (batch) => {
        if (batch.some(({ id }) => id === published.id)) throw new Error('The store is down.');
      });
      await log().publish(published);
      await stuck.until(() => stuck.saw(published));
      stuck.die();
      const next = await Chronicle.open(log(), group);
      await next.until(() => next.has(published));
      expect(stuck.has(published)).toBe(false);
      next.die();
    });

    it('shares the facts of a group among its consumers, and each subject stays in order', async () => {
      const group = newGroup();
      const chronicles = await atOnce(2, () => Chronicle.open(log(), group));
      const subjects = Array.from({ length: 5 }, newSubject);
      const facts = Array.from({ length: 50 }, (_, index) => fact(subjects[index % 5]!, { at: index }));
      for (const published of facts) await log().publish(published);
      await Promise.all(
        facts.map((published) => Promise.any(chronicles.map((each) => each.until(() => each.has(published))))),
      );
      for (const chronicle of chronicles) {
        for (const subject of subjects) {
          const times = chronicle.of(subject).map(({ at }) => at);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
        }
        chronicle.die();
      }
    });

    it('tells nothing more to a consumer that died', async () => {
      const group = newGroup();
      const published = fact(newSubject());
      const dead = await Chronicle.open(log(), group);
      dead.die();
      await log().publish(published);
      const living = await Chronicle.open(log(), group);
      await living.until(() => living.has(published));
      expect(dead.saw(published)).toBe(false);
      living.die();
    });
  });
}
