/** WebhookQueue over MongoDB: a document per message, its id the message's; a claim is one conditional update. */
import type { ClaimedWebhook, WebhookClaim, WebhookQueue } from '@inkwell/ports';
import type { MongoConnection } from './connection.ts';
import { insertMissing } from './insert-missing.ts';

const open = { endedAt: null };

export function createWebhookQueue({ webhooks, call }: MongoConnection): WebhookQueue {
  async function claimOne({ now, againAt, notOf = [] }: WebhookClaim): Promise<ClaimedWebhook | undefined> {
    const due = { ...open, dueAt: { $lte: now }, ...(notOf.length > 0 && { tenant: { $nin: [...notOf] } }) };
    const found = await webhooks
      .findOneAndUpdate(
        due,
        { $set: { dueAt: againAt }, $inc: { tries: 1 } },
        { sort: { dueAt: 1 }, returnDocument: 'after' },
      )
      .lean();
    if (found === null) return undefined;
    const { _id: id, tenant, url, body, createdAt, tries } = found;
    return { id, tenant, url, body, createdAt, tries };
  }

  async function claim(wish: WebhookClaim): Promise<ClaimedWebhook[]> {
    const claimed: ClaimedWebhook[] = [];
    while (claimed.length < wish.limit) {
      const one = await claimOne(wish);
      if (one === undefined) break;
      claimed.push(one);
    }
    return claimed;
  }

  return {
    add: (added) =>
      call(async () => {
        await insertMissing(
          webhooks.collection,
          added.map(({ id, ...rest }) => ({ _id: id, ...rest, tries: 0, dueAt: 0, endedAt: null })),
        );
      }),

    claim: (wish) => call(() => claim(wish)),

    postpone: (id, until) =>
      call(async () => {
        await webhooks.updateOne({ _id: id, ...open }, { $set: { dueAt: until } });
      }),

    end: (id, at) =>
      call(async () => {
        await webhooks.updateOne({ _id: id, ...open }, { $set: { endedAt: at, url: '', body: '' } });
      }),

    waiting: () => call(() => webhooks.countDocuments(open)),

    pruneWebhooks: (endedBefore) =>
      call(async () => (await webhooks.deleteMany({ endedAt: { $lt: endedBefore } })).deletedCount),
  };
}
