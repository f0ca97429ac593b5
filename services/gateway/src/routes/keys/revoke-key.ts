import { apiKeyIdSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
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
  async handle(call, gateway) {
    const { caller, outliveRevocation, params } = call;
    const { id } = params;
    outliveRevocation();
    const { tenant, revokedAt } = await findOwnKey(gateway, caller, id);
    const revoke = async () => {
      const revoked = await gateway.ports.keyStore.revoke(id, gateway.clock.now());
      // Said again even if it had been: a gateway may have died between the two.
      await gateway.identity.revocations.revoke(`key:${id}`, rememberedForMs);
      if (!revoked) throw noSuchKey();
    };
    const act = { action: 'key.revoked', resource: `key/${id}`, tenant, once: id } as const;
    await (revokedAt === null ? audited(gateway, call, act, revoke) : revoke());
    return { status: 204, contentType: 'application/json', body: '' };
  },
});
