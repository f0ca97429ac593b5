/** WebhookQueue over the embedded database. */
import type { WebhookQueue } from '@inkwell/ports';
import type { Database } from './database.ts';

export function createWebhookQueue(database: Database): WebhookQueue {
  return {
    add: (webhooks) => database.write('addWebhooks', webhooks),
    claim: (claim) => database.write('claimWebhooks', claim),
    postpone: (id, until) => database.write('postponeWebhook', { id, until }),
    end: (id, at) => database.write('endWebhook', { id, at }),
    async waiting() {
      const query = 'SELECT count(*) AS waiting FROM webhooks WHERE ended_at IS NULL';
      return database.read((connection) => connection.get<{ waiting: number }>(query))?.waiting ?? 0;
    },
    pruneWebhooks: (endedBefore) => database.write('pruneWebhooks', endedBefore),
  };
}
