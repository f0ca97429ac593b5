/** Counts usage: an entry's id and its sums move in one transaction, so it counts wholly and once. */
import { bucketMs, type UsageEntry } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

function count(connection: Connection, entry: UsageEntry, sizeMs: number): void {
  connection.run(
    `INSERT INTO usage_buckets VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT DO UPDATE SET requests = requests + 1, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
       completion_tokens = completion_tokens + excluded.completion_tokens`,
    sizeMs,
    Math.floor(entry.at / sizeMs) * sizeMs,
    entry.tenant,
    entry.keyId ?? '',
    entry.userId ?? '',
    entry.model,
    entry.promptTokens,
    entry.completionTokens,
  );
}

function addUsage(connection: Connection, { entries, now }: { entries: readonly UsageEntry[]; now: number }): void {
  for (const entry of entries) {
    const fresh = connection.run('INSERT INTO usage_facts VALUES (?, ?) ON CONFLICT DO NOTHING', entry.factId, now);
    if (fresh === 0) continue;
    for (const sizeMs of Object.values(bucketMs)) count(connection, entry, sizeMs);
  }
}

export const usageOperations = { addUsage };
