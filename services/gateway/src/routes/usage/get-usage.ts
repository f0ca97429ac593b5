import { hasRole, InkwellError } from '@inkwell/contracts';
import { usageQuerySchema, usageSchema } from '@inkwell/contracts/http';
import { type BucketSize, bucketMs, type UsageSum } from '@inkwell/ports';
import type { Caller } from '../../auth/caller.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const mostBuckets: Readonly<Record<BucketSize, number>> = { hour: 31 * 24, day: 366 };
const usualBuckets: Readonly<Record<BucketSize, number>> = { hour: 24, day: 30 };
const mostSums = 10_000;

/** Whose usage is asked for; undefined: everybody's. */
function tenantOf({ tenant, role }: Caller, asked: string | undefined): string | undefined {
  if (asked === undefined || asked === tenant) return tenant;
  if (!hasRole(role, 'operator')) {
    throw new InkwellError('insufficient_scope', { param: 'tenant', message: 'Only operators see other tenants.' });
  }
  return asked === '*' ? undefined : asked;
}

/** @returns whole buckets, Unix milliseconds */
function rangeOf(size: BucketSize, now: number, start: number | undefined, end: number | undefined) {
  const ms = bucketMs[size];
  const before = Math.ceil((end === undefined ? now : end * 1000) / ms) * ms;
  const from = start === undefined ? before - usualBuckets[size] * ms : Math.floor((start * 1000) / ms) * ms;
  if (from >= before || (start !== undefined && end !== undefined && start >= end))
    throw new InkwellError('invalid_parameter', { param: 'end', message: 'end: must be after start' });
  if ((before - from) / ms > mostBuckets[size]) {
    const message = `start: at most ${mostBuckets[size]} buckets at once; ask for a shorter time or longer buckets`;
    throw new InkwellError('invalid_parameter', { param: 'start', message });
  }
  return { from, before };
}

function countsOf({
  requests,
  promptTokens,
  completionTokens,
}: Pick<UsageSum, 'requests' | 'promptTokens' | 'completionTokens'>) {
  return {
    requests,
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function bucketsOf(sums: readonly UsageSum[], ms: number) {
  return [...Map.groupBy(sums, ({ start }) => start)].map(([start, own]) => ({
    object: 'usage.bucket',
    start: start / 1000,
    end: (start + ms) / 1000,
    results: own.map((sum) => ({
      ...countsOf(sum),
      tenant: sum.tenant,
      user_id: sum.user,
      key_id: sum.key,
      model: sum.model,
    })),
  }));
}

const total = (sums: readonly UsageSum[], field: 'requests' | 'promptTokens' | 'completionTokens') =>
  sums.reduce((sum, one) => sum + one[field], 0);

/** `GET /api/usage`: requests and tokens of ended jobs, some milliseconds after their end. */
export const getUsage = defineOperation({
  id: 'getUsage',
  method: 'get',
  path: '/api/usage',
  tag: 'Usage',
  summary: 'Requests and tokens in buckets of time',
  description: 'Of your tenant. Buckets without use are left out.',
  access: 'key',
  scope: 'usage',
  query: usageQuerySchema,
  rules: [
    { param: 'end', rule: 'must be after start' },
    { param: 'start', rule: `at most ${mostBuckets.hour} hours or ${mostBuckets.day} days at once` },
    { param: 'group_by', rule: `at most ${mostSums} sums at once` },
  ],
  answers: { 200: jsonAnswer('The sums.', usageSchema) },
  errors: ['insufficient_scope'],
  async handle({ caller, query }, gateway) {
    const size = query.bucket;
    const range = rangeOf(size, gateway.clock.now(), query.start, query.end);
    const tenant = tenantOf(caller, query.tenant);
    const groupBy = query.group_by ?? [];
    const sums = await gateway.ports.usageLedger.sum({ tenant, size, ...range, groupBy, limit: mostSums + 1 });
    if (sums.length > mostSums) {
      const message = `group_by: more than ${mostSums} sums; ask for a shorter time or fewer groups`;
      throw new InkwellError('invalid_parameter', { param: 'group_by', message });
    }
    return json(200, {
      object: 'usage',
      bucket: size,
      start: range.from / 1000,
      end: range.before / 1000,
      data: bucketsOf(sums, bucketMs[size]),
      total: countsOf({
        requests: total(sums, 'requests'),
        promptTokens: total(sums, 'promptTokens'),
        completionTokens: total(sums, 'completionTokens'),
      }),
    });
  },
});
