import { apiKeyIdSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { findOwnKey, noSuchKey } from '../../auth/find-own-key.ts';
import { defineOperation } from '../../operation.ts';

/** The record says it for ever; this long the gateways are reminded of it. */
const rememberedForMs = 86_400_000;

/** `DELETE /api/keys/{id}`: from now on the key opens nothing. */
export const revokeKey = defineOperation({
  id: 'revokeKey',
  method: 'delete',
  path: '/api/keys/{id}',
  tag: 'Keys',
  summary: 'Revoke an API key',
  access: 'key',
  scope: 'keys',
  params: z.object({ id: apiKeyIdSchema }),
  answers: { 204: { description: 'Revoked.' } },
  errors: ['not_found'],
  async handle({ caller, outliveRevocation, params }, gateway) {
    outliveRevocation();
    await findOwnKey(gateway, caller, params.id);
    const revoked = await gateway.ports.keyStore.revoke(params.id, gateway.clock.now());
    // Said again even if it had been: a gateway may have died between the two.
    await gateway.identity.revocations.revoke(`key:${params.id}`, rememberedForMs);
    if (!revoked) throw noSuchKey();
    return { status: 204, contentType: 'application/json', body: '' };
  },
});
