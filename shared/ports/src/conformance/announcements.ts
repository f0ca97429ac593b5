/** What every Announcements promises: all who listen hear it, soon and in order; nobody else does. Gaps are for each technology to test. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Announcements } from '../announcements.ts';
import { type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

/** How soon a listener must have heard, in milliseconds. */
const soonMs = 250;

export function announcementsConformance(makeAdapter: MakeAdapter<'announcements'>): void {
  describe('Announcements', () => {
    const adapter = withAdapter(makeAdapter);
    const announce = (topic: string, payload: string) => adapter().announcements.announce(topic, payload);
    const newTopic = () => `topic-${randomUUID()}`;

    it('are heard by everyone who listens, in order and to the letter', async () => {
      const topic = newTopic();
      const ears = [new Ear(), new Ear(), new Ear()];
      for (const ear of ears) await ear.listen(adapter().announcements, topic);
      const payloads = ['', 'é "💡" \\ \u0000 \n', '{"user":"u"}', ...Array.from({ length: 500 }, (_, n) => `${n}`)];
      await Promise.all(payloads.map((payload) => announce(topic, payload)));
      for (const ear of ears) {
        await ear.until(payloads.length);
        expect(ear.heard).toEqual(payloads);
        expect(ear.gaps).toBe(0);
        ear.leave();
      }
    });

    it(`are heard within ${soonMs} ms`, async () => {
      const topic = newTopic();
      const ear = new Ear();
      await ear.listen(adapter().announcements, topic);
      for (let count = 1; count <= 20; count++) {
        const before = performance.now();
        await announce(topic, 'now');
        await ear.until(count);
        expect(performance.now() - before).toBeLessThan(soonMs);
      }
      ear.leave();
    });

    it('are not heard by listeners of other topics, nor by those who come later', async () => {
      const [topic, other] = [newTopic(), newTopic()];
      const [early, elsewhere] = [new Ear(), new Ear()];
      await early.listen(adapter().announcements, topic);
      await elsewhere.listen(adapter().announcements, other);
      await announce(topic, 'first');
      await early.until(1);
      const late = new Ear();
      await late.listen(adapter().announcements, topic);
      await announce(topic, 'second');
      await announce(other, 'other');
      await Promise.all([early.until(2), late.until(1), elsewhere.until(1)]);
      expect([early.heard, late.heard, elsewhere.heard]).toEqual([['first', 'second'], ['second'], ['other']]);
      for (const ear of [early, elsewhere, late]) ear.leave();
    });

    it('are not heard any more by a listener that left, while others of the topic go on', async () => {
      const topic = newTopic();
      const [leaves, stays] = [new Ear(), new Ear()];
      await leaves.listen(adapter().announcements, topic);
      await stays.listen(adapter().announcements, topic);
      await announce(topic, 'both');
      await Promise.all([leaves.until(1), stays.until(1)]);
      leaves.leave();
      await announce(topic, 'one');
      await stays.until(2);
      expect([leaves.heard, stays.heard]).toEqual([['both'], ['both', 'one']]);
      stays.leave();
    });

    it('can be listened to again after everybody had left', async () => {
      const topic = newTopic();
      for (const payload of ['a', 'b', 'c']) {
        const ear = new Ear();
        await ear.listen(adapter().announcements, topic);
        await announce(topic, payload);
        await ear.until(1);
        expect(ear.heard).toEqual([payload]);
        ear.leave();
      }
    });

    it('are not heard by a listener that had left before it came, nor is anything wrong when nobody listens', async () => {
      const topic = newTopic();
      const ear = new Ear();
      ear.leave();
      await ear.listen(adapter().announcements, topic);
      await announce(topic, newTenant());
      const witness = new Ear();
      await witness.listen(adapter().announcements, topic);
      await announce(topic, 'witnessed');
      await witness.until(1);
      expect(ear.heard).toEqual([]);
      witness.leave();
    });
  });
}

/** Listens and remembers. */
class Ear {
  readonly heard: string[] = [];
  gaps = 0;
  readonly #controller = new AbortController();
  #changed = Promise.withResolvers<void>();

  listen(announcements: Announcements, topic: string): Promise<void> {
    const onAnnouncement = (payload: string) => {
      this.heard.push(payload);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    const onGap = () => {
      this.gaps += 1;
    };
    return announcements.listen(topic, { onAnnouncement, onGap }, this.#controller.signal);
  }

  async until(count: number): Promise<void> {
    while (this.heard.length < count) await this.#changed.promise;
  }

  leave(): void {
    this.#controller.abort();
  }
}
