/** Writes to the queue of webhooks. */
import type { ClaimedWebhook, NewWebhook, WebhookClaim } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

interface WebhookRow {
  id: string;
  tenant: string;
  url: string;
  body: string;
  created_at: number;
  tries: number;
}

function addWebhooks(connection: Connection, webhooks: readonly NewWebhook[]): void {
  for (const { id, tenant, url, body, createdAt } of webhooks) {
    connection.run(
      `INSERT INTO webhooks (id, tenant, url, body, created_at, tries, due_at, ended_at)
       VALUES (?, ?, ?, ?, ?, 0, 0, NULL) ON CONFLICT DO NOTHING`,
      id,
      tenant,
      url,
      body,
      createdAt,
    );
  }
}

function claimWebhooks(connection: Connection, { now, limit, againAt, notOf = [] }: WebhookClaim): ClaimedWebhook[] {
  const rows = connection.all<WebhookRow>(
    `SELECT id, tenant, url, body, created_at, tries FROM webhooks
     WHERE ended_at IS NULL AND due_at <= ? AND tenant NOT IN (SELECT value FROM json_each(?))
     ORDER BY due_at LIMIT ?`,
    now,
    JSON.stringify(notOf),
    limit,
  );
  return rows.map(({ id, tenant, url, body, created_at, tries }) => {
    connection.run('UPDATE webhooks SET tries = tries + 1, due_at = ? WHERE id = ?', againAt, id);
    return { id, tenant, url, body, createdAt: created_at, tries: tries + 1 };
  });
}

function postponeWebhook(connection: Connection, { id, until }: { id: string; until: number }): void {
  connection.run('UPDATE webhooks SET due_at = ? WHERE id = ? AND ended_at IS NULL', until, id);
}

function endWebhook(connection: Connection, { id, at }: { id: string; at: number }): void {
  connection.run(`UPDATE webhooks SET ended_at = ?, url = '', body = '' WHERE id = ? AND ended_at IS NULL`, at, id);
}

function pruneWebhooks(connection: Connection, endedBefore: number): number {
  return connection.run('DELETE FROM webhooks WHERE ended_at < ?', endedBefore);
}

export const webhookOperations = { addWebhooks, claimWebhooks, postponeWebhook, endWebhook, pruneWebhooks };
