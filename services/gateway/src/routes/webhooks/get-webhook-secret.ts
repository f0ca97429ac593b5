import { webhookSecretSchema } from '@inkwell/contracts/http';
import { webhookSecretOf } from '@inkwell/safety';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/webhooks/secret`: what receivers verify our calls with. */
export const getWebhookSecret = defineOperation({
  id: 'getWebhookSecret',
  method: 'get',
  path: '/api/webhooks/secret',
  tag: 'Webhooks',
  summary: 'The secret your webhooks are signed with',
  description:
    'One per tenant, in the form of Standard Webhooks (`whsec_…`): give it to their libraries to verify a call. It stays the same as long as the ' +
    'server’s own secret does.',
  access: 'key',
  scope: 'keys',
  answers: { 200: jsonAnswer('The secret.', webhookSecretSchema) },
  async handle({ caller }, { config }) {
    const secret = webhookSecretOf(config.keySecret, caller.tenant);
    return json(200, { object: 'webhook_secret', secret }, { 'cache-control': 'no-store' });
  },
});
