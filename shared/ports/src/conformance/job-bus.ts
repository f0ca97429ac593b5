/** What every JobBus promises: a message comes until somebody is done with it, and never to two at once. */
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { Inbox } from './inbox.ts';
import { message } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function jobBusConformance(makeAdapter: MakeAdapter<'jobBus'>): void {
  describe('JobBus', () => {
    const adapter = withAdapter(makeAdapter);
    const bus = () => adapter().jobBus;

    it('delivers what was published before and after a consumer came, whole', async () => {
      const [early, late] = [message(newTenant()), { ...message(newTenant(), 'ü/1'), deadlineAt: 5.5 }];
      await bus().publish(early);
      const inbox = await Inbox.open(bus(), 'w');
      await bus().publish(late);
      for (const published of [early, late]) {
        const delivery = await inbox.delivery(published.key);
        expect(delivery).toMatchObject({ message: published, attempt: 1 });
        await delivery.ack();
      }
      inbox.die();
    });

    it('delivers each of 300 messages, published at once, once', async () => {
      const tenant = newTenant();
      const inbox = await Inbox.open(bus(), 'w');
      const messages = Array.from({ length: 300 }, () => message(tenant));
      await Promise.all(messages.map((published) => bus().publish(published)));
      await Promise.all(messages.map(async ({ key }) => (await inbox.delivery(key)).ack()));
      await settled(inbox);
      for (const { key } of messages) expect(inbox.of(key)).toHaveLength(1);
      inbox.die();
    });

    it('never delivers again what was acknowledged, also to the next consumer', async () => {
      const published = message(newTenant());
      const first = await Inbox.open(bus(), 'w1');
      await bus().publish(published);
      const delivery = await first.delivery(published.key);
      await delivery.ack();
      await delivery.ack();
      first.die();
      const second = await Inbox.open(bus(), 'w2');
      await settled(second);
      expect(second.of(published.key)).toEqual([]);
      second.die();
    });

    it('changes nothing when a key that waits is published again', async () => {
      const published = message(newTenant());
      await atOnce(10, () => bus().publish(published));
      const inbox = await Inbox.open(bus(), 'w');
      await inbox.delivery(published.key);
      await atOnce(10, () => bus().publish({ ...published, costTokens: 1 }));
      await settled(inbox);
      expect(inbox.of(published.key)).toEqual([expect.objectContaining({ message: published, attempt: 1 })]);
      await inbox.of(published.key)[0]!.ack();
      inbox.die();
    });

    it('takes a key again, as new, once it was acknowledged', async () => {
      const published = message(newTenant());
      const inbox = await Inbox.open(bus(), 'w');
      for (let round = 1; round <= 3; round++) {
        await bus().publish(published);
        await inbox.until(() => inbox.of(published.key).length === round);
        const delivery = inbox.of(published.key).at(-1)!;
        expect(delivery.attempt).toBe(1);
        await delivery.ack();
      }
      inbox.die();
    });

    it('delivers again after the delay, counting attempts', async () => {
      const published = message(newTenant());
      const inbox = await Inbox.open(bus(), 'w');
      await bus().publish(published);
      for (let attempt = 1; attempt <= 3; attempt++) {
        const delivery = await inbox.delivery(published.key, attempt);
        const askedAt = performance.now();
        await delivery.retry('engine crashed', 30 * attempt);
        await inbox.delivery(published.key, attempt + 1);
        // Timers may fire up to a millisecond early.
        expect(performance.now() - askedAt).toBeGreaterThanOrEqual(30 * attempt - 1);
      }
      await (await inbox.delivery(published.key, 4)).ack();
      inbox.die();
    });

    it('delivers retries in the order they are due, not in the order they were asked for', async () => {
      const [later, sooner] = [message(newTenant()), message(newTenant())];
      const inbox = await Inbox.open(bus(), 'w');
      await Promise.all([bus().publish(later), bus().publish(sooner)]);
      await (await inbox.delivery(later.key)).retry('later', 400);
      await (await inbox.delivery(sooner.key)).retry('sooner', 20);
      await (await inbox.delivery(sooner.key, 2)).ack();
      expect(inbox.of(later.key)).toHaveLength(1);
      await (await inbox.delivery(later.key, 2)).ack();
      inbox.die();
    });

    it('gives what a dead consumer held to a living one', async () => {
      const [done, held] = [message(newTenant()), message(newTenant())];
      const first = await Inbox.open(bus(), 'w1');
      await Promise.all([bus().publish(done), bus().publish(held)]);
      await (await first.delivery(done.key)).ack();
      await first.delivery(held.key);
      const second = await Inbox.open(bus(), 'w2');
      first.die();
      await (await second.delivery(held.key, 2)).ack();
      expect(second.of(done.key)).toEqual([]);
      second.die();
    });

    it('gives what a dead consumer held to the next one, when nobody else lives', async () => {
      const published = message(newTenant());
      const first = await Inbox.open(bus(), 'w1');
      await bus().publish(published);
      await first.delivery(published.key);
      first.die();
      const second = await Inbox.open(bus(), 'w2');
      await (await second.delivery(published.key, 2)).ack();
      second.die();
    });

    it('hands nothing more to a consumer that died', async () => {
      const published = message(newTenant());
      const dead = await Inbox.open(bus(), 'w1');
      dead.die();
      await bus().publish(published);
      const living = await Inbox.open(bus(), 'w2');
      await (await living.delivery(published.key)).ack();
      expect(dead.of(published.key)).toEqual([]);
      living.die();
    });

    it('does not let a delivery that was taken back settle the message of its successor', async () => {
      const published = message(newTenant());
      const zombie = await Inbox.open(bus(), 'w1');
      await bus().publish(published);
      const late = await zombie.delivery(published.key);
      zombie.die();
      const second = await Inbox.open(bus(), 'w2');
      await second.delivery(published.key, 2);
      await late.ack();
      await late.deadLetter('late');
      await late.retry('late', 0);
      second.die();
      const third = await Inbox.open(bus(), 'w3');
      await (await third.delivery(published.key, 3)).ack();
      expect((await bus().deadLetters(1000)).filter((letter) => letter.message.key === published.key)).toEqual([]);
      third.die();
    });

    it('hands each message to exactly one of several consumers', async () => {
      const tenant = newTenant();
      const inboxes = await atOnce(3, (index) => Inbox.open(bus(), `w${index}`));
      const messages = Array.from({ length: 60 }, () => message(tenant));
      await Promise.all(messages.map((published) => bus().publish(published)));
      for (const { key } of messages) {
        const delivery = await Promise.any(inboxes.map((inbox) => inbox.delivery(key)));
        await delivery.ack();
      }
      for (const { key } of messages) expect(inboxes.flatMap((inbox) => inbox.of(key))).toHaveLength(1);
      for (const inbox of inboxes) inbox.die();
    });

    it('keeps dead letters with reason and attempts, newest first, and delivers them no more', async () => {
      const [first, second] = [message(newTenant()), message(newTenant())];
      const inbox = await Inbox.open(bus(), 'w');
      await Promise.all([bus().publish(first), bus().publish(second)]);
      await (await inbox.delivery(first.key)).retry('once more', 1);
      await (await inbox.delivery(first.key, 2)).deadLetter('poison "1"');
      await (await inbox.delivery(second.key)).deadLetter('poison 2');
      const ours = (await bus().deadLetters(1000)).filter(({ message: { key } }) =>
        [first.key, second.key].includes(key),
      );
      expect(ours).toEqual([
        { message: second, reason: 'poison 2', attempts: 1, at: expect.any(Number) },
        { message: first, reason: 'poison "1"', attempts: 2, at: expect.any(Number) },
      ]);
      expect(await bus().deadLetters(1)).toEqual(ours.slice(0, 1));
      inbox.die();
      const next = await Inbox.open(bus(), 'w2');
      await settled(next);
      expect([...next.of(first.key), ...next.of(second.key)]).toEqual([]);
      next.die();
    });

    it('answers a ping', async () => {
      await expect(bus().ping()).resolves.toBeUndefined();
    });

    it('takes a dead-lettered key again, as new', async () => {
      const published = message(newTenant());
      const inbox = await Inbox.open(bus(), 'w');
      await bus().publish(published);
      await (await inbox.delivery(published.key)).deadLetter('poison');
      await bus().publish(published);
      await inbox.until(() => inbox.of(published.key).length === 2);
      expect(inbox.of(published.key)[1]).toMatchObject({ attempt: 1 });
      await inbox.of(published.key)[1]!.ack();
      inbox.die();
    });

    it('tells every living consumer of a cancel', async () => {
      const { key } = message(newTenant());
      const [one, other, dead] = [
        await Inbox.open(bus(), 'w1'),
        await Inbox.open(bus(), 'w2'),
        await Inbox.open(bus(), 'w3'),
      ];
      dead.die();
      await bus().announceCancel(key);
      await Promise.all([one, other].map((inbox) => inbox.until(() => inbox.cancels.includes(key))));
      expect(dead.cancels).not.toContain(key);
      one.die();
      other.die();
    });

    /** Passes once a message published now has come: whatever was to come before it is there. */
    async function settled(inbox: Inbox): Promise<void> {
      const marker = message(newTenant());
      await bus().publish(marker);
      await (await inbox.delivery(marker.key)).ack();
    }
  });
}
