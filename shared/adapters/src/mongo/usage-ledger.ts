/** UsageLedger over MongoDB: blocks of the history of jobs have their sums with them; those are added up when they are asked for. */
import type { UsageGroup, UsageLedger, UsageQuery, UsageSum } from '@inkwell/ports';
import { bucketMs } from '@inkwell/ports';
import type { PipelineStage } from 'mongoose';
import type { MongoConnection } from './connection.ts';

const fields: Readonly<Record<UsageGroup, string>> = {
  tenant: '$tenant',
  key: '$use.key',
  user: '$use.user',
  model: '$use.model',
};

interface SumDocument extends Omit<UsageSum, 'start' | UsageGroup> {
  _id: { start: number } & Partial<Record<UsageGroup, string | null>>;
}

function pipeline({ tenant, size, from, before, groupBy, limit }: UsageQuery): PipelineStage[] {
  const ms = bucketMs[size];
  const hour = { $gte: Math.floor(from / ms) * ms, $lt: Math.ceil(before / ms) * ms };
  const start = { $subtract: ['$hour', { $mod: ['$hour', ms] }] };
  const groups = Object.fromEntries(groupBy.map((group) => [group, fields[group]]));
  const order = Object.fromEntries(['start', ...groupBy].map((name) => [`_id.${name}`, 1 as const]));
  return [
    { $match: tenant === undefined ? { hour } : { tenant, hour } },
    { $project: { tenant: 1, hour: 1, use: 1 } },
    { $unwind: '$use' },
    {
      $group: {
        _id: { start, ...groups },
        requests: { $sum: '$use.requests' },
        promptTokens: { $sum: '$use.promptTokens' },
        completionTokens: { $sum: '$use.completionTokens' },
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
