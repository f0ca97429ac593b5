import { InkwellError } from '@inkwell/contracts';
import { apiKeyIdSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { defineOperation } from '../../operation.ts';

/** `DELETE /api/keys/{id}`: from now on the key opens nothing. */
export const revokeKey = defineOperation({
  id: 'revokeKey',
  method: 'delete',
  path: '/api/keys/{id}',
  tag: 'Keys',
  summary: 'Revoke an API key',
  access: 'superuser',
  scope: 'keys',
  params: z.object({ id: apiKeyIdSchema }),
  answers: { 204: { description: 'Revoked.' } },
  errors: ['not_found'],
  async handle({ params }, gateway) {
    const revoked = await gateway.ports.keyStore.revoke(params.id, gateway.clock.now());
    if (!revoked) throw new InkwellError('not_found', { message: 'There is no such key, or it was revoked before.' });
    return { status: 204, contentType: 'application/json', body: '' };
  },
});
