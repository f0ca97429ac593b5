import { apiKeyIdSchema, apiKeyRotationSchema, newApiKeySchema } from '@inkwell/contracts/http';
import { signingSecret } from '@inkwell/identity';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import { apiKeyPrefix, hashApiKey, makeApiKey } from '../../auth/api-key.ts';
import { findOwnKey, noSuchKey } from '../../auth/find-own-key.ts';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/keys/{id}/rotate`: a new key under the same id; the one so far stays valid for the overlap, the one before it ends. */
export const rotateKey = defineOperation({
  id: 'rotateKey',
  method: 'post',
  path: '/api/keys/{id}/rotate',
  tag: 'Keys',
  summary: 'Rotate an API key',
  access: 'key',
  scope: 'keys',
  params: z.object({ id: apiKeyIdSchema }),
  body: apiKeyRotationSchema,
  answers: { 200: jsonAnswer('The new key, shown this once.', newApiKeySchema) },
  errors: ['not_found'],
  async handle(call, gateway) {
    const { body, caller, params } = call;
    const { clock, config, identity, ports } = gateway;
    const record = await findOwnKey(gateway, caller, params.id);
    if (record.revokedAt !== null) throw noSuchKey();
    const key = makeApiKey();
    const details = { overlapSeconds: body.overlap_seconds };
    const act = { action: 'key.rotated', resource: `key/${record.id}`, tenant: record.tenant, details } as const;
    const rotated = await audited(gateway, call, act, async () => {
      const replaced = await ports.keyStore.rotate(record.id, record.hash, {
        hash: hashApiKey(config.keySecret, key),
        prefix: apiKeyPrefix(key),
        previousUntil: clock.now() + body.overlap_seconds * 1000,
      });
      if (!replaced) throw noSuchKey();
      return replaced;
    });
    await identity.revocations.changed(`key:${record.id}`);
    const secret = rotated.signed ? signingSecret(identity.keySecrets, rotated.id, rotated.hash) : null;
    return json(200, { ...toApiKeyResource(rotated), key, signing_secret: secret }, { 'cache-control': 'no-store' });
  },
});
