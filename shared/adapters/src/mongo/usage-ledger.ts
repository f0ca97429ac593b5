/**
 * UsageLedger over MongoDB: one small document per fact, its id the fact's, so that it counts once and wholly whoever hands it in. Sums are made
 * when they are asked for, over an index by time.
 */
import type { UsageGroup, UsageLedger, UsageQuery, UsageSum } from '@inkwell/ports';
import { bucketMs } from '@inkwell/ports';
import type { PipelineStage } from 'mongoose';
import type { MongoConnection } from './connection.ts';
import { insertMissing } from './insert-missing.ts';

const fields: Readonly<Record<UsageGroup, string>> = { tenant: 'tenant', key: 'keyId', user: 'userId', model: 'model' };

interface SumDocument extends Omit<UsageSum, 'start' | UsageGroup> {
  _id: { start: number } & Partial<Record<UsageGroup, string | null>>;
}

function pipeline({ tenant, size, from, before, groupBy, limit }: UsageQuery): PipelineStage[] {
  const ms = bucketMs[size];
  const at = { $gte: Math.floor(from / ms) * ms, $lt: Math.ceil(before / ms) * ms };
  const groups = Object.fromEntries(groupBy.map((group) => [group, `$${fields[group]}`]));
  const order = Object.fromEntries(['start', ...groupBy].map((name) => [`_id.${name}`, 1 as const]));
  return [
    { $match: tenant === undefined ? { at } : { tenant, at } },
    {
      $group: {
        _id: { start: `$${size}`, ...groups },
        requests: { $sum: 1 },
        promptTokens: { $sum: '$promptTokens' },
        completionTokens: { $sum: '$completionTokens' },
      },
    },
    { $sort: order },
    { $limit: limit },
  ];
}

export function createUsageLedger({ usage, call }: MongoConnection): UsageLedger {
  return {
    add: (entries) =>
      call(() =>
        insertMissing(
          usage.collection,
          entries.map(({ factId, ...entry }) => ({
            _id: factId,
            ...entry,
            hour: Math.floor(entry.at / bucketMs.hour) * bucketMs.hour,
            day: Math.floor(entry.at / bucketMs.day) * bucketMs.day,
          })),
        ),
      ),

    sum: (query) =>
      call(async () => {
        const sums = await usage.aggregate<SumDocument>(pipeline(query));
        return sums.map(({ _id: { start, tenant, key, user, model }, requests, promptTokens, completionTokens }) => ({
          start,
          tenant: tenant ?? null,
          key: key ?? null,
          user: user ?? null,
          model: model ?? null,
          requests,
          promptTokens,
          completionTokens,
        }));
      }),
  };
}
