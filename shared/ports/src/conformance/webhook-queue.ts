/** What every WebhookQueue promises. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ClaimedWebhook, NewWebhook } from '../webhook-queue.ts';
import { atOnce, type MakeAdapter } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

export function webhookQueueConformance(makeAdapter: MakeAdapter<'webhookQueue'>): void {
  describe('WebhookQueue', () => {
    const adapter = withAdapter(makeAdapter);
    const queue = () => adapter().webhookQueue;
    let made = 0;
    const newWebhook = (): NewWebhook => ({
      id: `msg_${randomUUID()}`,
      tenant: 'alice',
      url: 'https://example.com/hook',
      body: '{"type":"job.completed","text":"ünïcode"}',
      createdAt: made++,
    });
    /** Claims until nothing is due; another test may have left something. */
    const claimAll = async (now: number, againAt: number): Promise<ClaimedWebhook[]> => {
      const all: ClaimedWebhook[] = [];
      for (;;) {
        const some = await queue().claim({ now, limit: 3, againAt });
        expect(some.length).toBeLessThanOrEqual(3);
        if (some.length === 0) return all;
        all.push(...some);
      }
    };
    const find = (list: readonly ClaimedWebhook[], { id }: NewWebhook) => list.filter((one) => one.id === id);

    it('hands out what was added, with everything it was added with, and counts its tries', async () => {
      const webhook = newWebhook();
      await queue().add([webhook]);
      expect(find(await claimAll(1_000, 2_000), webhook)).toEqual([{ ...webhook, tries: 1 }]);
      expect(find(await claimAll(1_999, 3_000), webhook)).toEqual([]);
      expect(find(await claimAll(2_000, 3_000), webhook)).toEqual([{ ...webhook, tries: 2 }]);
    });

    it('adds an id once, while it waits and after it has ended', async () => {
      const webhook = newWebhook();
      await atOnce(10, () => queue().add([webhook]));
      expect(find(await claimAll(1_000, 2_000), webhook)).toHaveLength(1);
      await queue().end(webhook.id, 1_500);
      await queue().add([webhook]);
      expect(find(await claimAll(9_000, 10_000), webhook)).toEqual([]);
    });

    it('gives each to one of many claimers', async () => {
      const webhooks = Array.from({ length: 20 }, newWebhook);
      await queue().add(webhooks);
      const claimed = (await atOnce(12, () => claimAll(1_000, 50_000))).flat();
      for (const webhook of webhooks) expect(find(claimed, webhook)).toHaveLength(1);
    });

    it('leaves out tenants that have enough under way', async () => {
      const [busy, idle] = [newWebhook(), { ...newWebhook(), tenant: 'idle' }];
      await queue().add([busy, idle]);
      const some = await queue().claim({ now: 1_000, limit: 100, againAt: 2_000, notOf: ['alice'] });
      expect([find(some, idle).length, find(some, busy).length]).toEqual([1, 0]);
      expect(find(await claimAll(1_000, 2_000), busy)).toHaveLength(1);
    });

    it('postpones, and takes what was claimed and never settled up again', async () => {
      const [postponed, lost] = [newWebhook(), newWebhook()];
      await queue().add([postponed]);
      await queue().add([lost]);
      await claimAll(1_000, 5_000);
      await queue().postpone(postponed.id, 7_000);
      const second = await claimAll(5_000, 9_000);
      expect([find(second, lost).length, find(second, postponed).length]).toEqual([1, 0]);
      expect(find(await claimAll(7_000, 20_000), postponed)).toEqual([{ ...postponed, tries: 2 }]);
    });

    it('forgets what ended, late news of it changes nothing', async () => {
      const before = await queue().waiting();
      const [ended, open] = [newWebhook(), newWebhook()];
      await queue().add([ended]);
      await queue().add([open]);
      expect(await queue().waiting()).toBe(before + 2);
      await queue().end(ended.id, 100);
      await queue().postpone(ended.id, 200);
      expect(await queue().waiting()).toBe(before + 1);
      expect(find(await claimAll(100_000, 100_001), ended)).toEqual([]);
      expect(await queue().pruneWebhooks(100)).toBe(0);
      expect(await queue().pruneWebhooks(101)).toBe(1);
      expect(find(await claimAll(200_000, 200_001), open)).toHaveLength(1);
      await queue().end('msg_unknown', 1);
    });
  });
}
