import { roleAllowances, roles } from '@inkwell/contracts';
import { limitsSchema } from '@inkwell/contracts/http';
import type { Rates } from '@inkwell/limits';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

function toRates({ requestsPerMinute, tokensPerMinute, tokensPerDay, tokensPerMonth }: Rates) {
  return {
    requests_per_minute: requestsPerMinute,
    tokens_per_minute: tokensPerMinute,
    tokens_per_day: tokensPerDay,
    tokens_per_month: tokensPerMonth,
  };
}

/** `GET /api/admin/limits` */
export const getLimits = defineOperation({
  id: 'getLimits',
  method: 'get',
  path: '/api/admin/limits',
  tag: 'Administration',
  summary: 'The limits as they are configured',
  description: 'Limits of one key or person are in their records: `/api/keys/{id}`, `/api/admin/users/{id}`.',
  access: 'operator',
  scope: 'admin',
  answers: { 200: jsonAnswer('The limits.', limitsSchema) },
  async handle(_call, { config: { rates, limits } }) {
    return json(200, {
      object: 'limits',
      address: { requests_per_minute: rates.ipRequestsPerMinute },
      user: toRates(rates.user),
      key: toRates(rates.key),
      reads_per_minute: rates.readsPerMinute,
      queue: { max_queued: limits.maxQueued, max_queued_per_tenant: limits.maxQueuedPerTenant },
      roles: Object.fromEntries(
        roles.map((role) => {
          const { maxTokens, priorities } = roleAllowances[role];
          return [role, { max_tokens: maxTokens, priorities }];
        }),
      ),
    });
  },
});
