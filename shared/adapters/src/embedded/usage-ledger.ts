/** UsageLedger over the embedded database: hours and days are counted as jobs are recorded, so a question reads few rows. */
import type { UsageGroup, UsageLedger, UsageQuery, UsageSum } from '@inkwell/ports';
import { bucketMs } from '@inkwell/ports';
import type { Database } from './database.ts';

const columns: Readonly<Record<UsageGroup, string>> = {
  tenant: 'tenant',
  key: 'key_id',
  user: 'user_id',
  model: 'model',
};

/** Groups that weren't asked for come as null; absent keys and users are kept as empty texts. */
function statement({ groupBy, tenant }: UsageQuery): string {
  const shown = Object.entries(columns).map(([group, column]) =>
    groupBy.includes(group as UsageGroup) ? `nullif(${column}, '') AS "${group}"` : `NULL AS "${group}"`,
  );
  const grouped = ['start', ...groupBy.map((group) => columns[group])].join(', ');
  return `SELECT start, ${shown.join(', ')}, sum(requests) AS requests, sum(prompt_tokens) AS promptTokens,
      sum(completion_tokens) AS completionTokens
    FROM usage_buckets WHERE size = ? AND start >= ? AND start < ? ${tenant === undefined ? '' : 'AND tenant = ?'}
    GROUP BY ${grouped} ORDER BY ${grouped} LIMIT ?`;
}

export function createUsageLedger(database: Database): UsageLedger {
  return {
    async sum(query) {
      const size = bucketMs[query.size];
      const range = [size, Math.floor(query.from / size) * size, query.before];
      const values = [...range, ...(query.tenant === undefined ? [] : [query.tenant]), query.limit];
      return database
        .read((connection) => connection.all<UsageSum>(statement(query), ...values))
        .map((row) => ({ ...row }));
    },
  };
}
