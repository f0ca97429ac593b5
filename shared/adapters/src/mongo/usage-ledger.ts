/** UsageLedger over MongoDB: sums of the history of jobs, made when they are asked for, over an index by time. */
import type { UsageGroup, UsageLedger, UsageQuery, UsageSum } from '@inkwell/ports';
import { bucketMs } from '@inkwell/ports';
import type { PipelineStage } from 'mongoose';
import type { MongoConnection } from './connection.ts';

const fields: Readonly<Record<UsageGroup, string>> = { tenant: 'tenant', key: 'keyId', user: 'userId', model: 'model' };

interface SumDocument extends Omit<UsageSum, 'start' | UsageGroup> {
  _id: { start: number } & Partial<Record<UsageGroup, string | null>>;
}

function pipeline({ tenant, size, from, before, groupBy, limit }: UsageQuery): PipelineStage[] {
  const ms = bucketMs[size];
  const finishedAt = { $gte: Math.floor(from / ms) * ms, $lt: Math.ceil(before / ms) * ms };
  const start = { $subtract: ['$finishedAt', { $mod: ['$finishedAt', ms] }] };
  const groups = Object.fromEntries(groupBy.map((group) => [group, `$${fields[group]}`]));
  const order = Object.fromEntries(['start', ...groupBy].map((name) => [`_id.${name}`, 1 as const]));
  return [
    { $match: tenant === undefined ? { finishedAt } : { tenant, finishedAt } },
    {
      $group: {
        _id: { start, ...groups },
        requests: { $sum: 1 },
        promptTokens: { $sum: '$usage.promptTokens' },
        completionTokens: { $sum: '$usage.completionTokens' },
      },
    },
    { $sort: order },
    { $limit: limit },
  ];
}

export function createUsageLedger({ history, call }: MongoConnection): UsageLedger {
  return {
    sum: (query) =>
      call(async () => {
        const sums = await history.aggregate<SumDocument>(pipeline(query));
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
