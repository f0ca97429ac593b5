/** `/api/keys`: making, listing and revoking API keys. The key itself appears in one answer only, the one that made it. */
import { z } from 'zod';
import { roles, scopes } from '../scope.ts';
import { orNull, textOf, unixSeconds } from './text.ts';

export const apiKeyIdSchema = z.string().regex(/^key_[0-9A-Za-z]{1,40}$/, { error: 'must be a key id, key_…' });

const scopeList = z.array(z.enum(scopes)).min(1).max(scopes.length);
const models = z.array(textOf(1, 100)).min(1).max(100);
const addresses = z
  .array(textOf(2, 64).regex(/^[0-9A-Fa-f:.]+(\/[0-9]{1,3})?$/, 'must be an address or a network (CIDR)'))
  .min(1)
  .max(100);
const limit = z.int().min(1).max(1e12).nullable().optional();

/** Limits of one key or person. */
export const limitOverridesSchema = z
  .strictObject({
    requests_per_minute: limit,
    tokens_per_minute: limit,
    tokens_per_day: limit,
    tokens_per_month: limit,
  })
  .meta({
    id: 'LimitOverrides',
    description: 'Instead of the configured limits; what is left out or null is as configured.',
  });

const restrictions = {
  scopes: scopeList.nullable().optional().meta({
    description: 'What it may be used for; null or left out: all its role allows, but neither keys nor sessions.',
  }),
  models: models.nullable().optional().meta({ description: 'Models it may use; null or left out: all.' }),
  allowed_ips: addresses.nullable().optional().meta({
    description: 'Addresses and networks (CIDR) it may be used from; null or left out: all.',
  }),
  limits: orNull(limitOverridesSchema).optional().meta({ description: 'A superuser may set these.' }),
  signed: z.boolean().optional().meta({ description: 'Every request must carry a signature (RFC 9421, hmac-sha256).' }),
};

const keyName = textOf(1, 100).meta({ description: 'For people.' });

export const apiKeyRequestSchema = z
  .strictObject({
    name: keyName,
    tenant: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, {
        error: 'must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit',
      })
      .optional()
      .meta({ description: 'Whose jobs the key sees, your own when left out. Keys of one tenant share them.' }),
    role: z.enum(roles).default('user'),
    expires_at: unixSeconds.optional().meta({ description: 'Unix seconds; without it the key does not expire.' }),
    ...restrictions,
  })
  .meta({ id: 'ApiKeyRequest' });

export const apiKeyChangeSchema = z
  .strictObject({
    name: keyName.optional(),
    expires_at: unixSeconds.nullable().optional(),
    ...restrictions,
  })
  .meta({ id: 'ApiKeyChange', description: 'What is left out stays as it is.' });

export const apiKeyRotationSchema = z
  .strictObject({
    overlap_seconds: z.int().min(0).max(604_800).default(86_400).meta({
      description: 'How long the key so far stays valid: at most a week; 0 ends it at once.',
    }),
  })
  .meta({ id: 'ApiKeyRotation' });

export const apiKeySchema = z
  .object({
    id: z.string(),
    object: z.literal('api_key'),
    name: z.string(),
    prefix: z.string().meta({ description: 'The first characters of the key.' }),
    tenant: z.string(),
    user_id: z.string().nullable(),
    role: z.enum(roles),
    scopes: scopeList.nullable(),
    models: models.nullable(),
    allowed_ips: addresses.nullable(),
    limits: orNull(limitOverridesSchema),
    signed: z.boolean(),
    created_at: z.number(),
    expires_at: z.number().nullable(),
    revoked_at: z.number().nullable(),
    previous_valid_until: z
      .number()
      .nullable()
      .meta({ description: 'Until when the key before the rotation is valid.' }),
    last_used_at: z.number().nullable(),
    usage_count: z.int().meta({ description: 'Requests; lags by a second.' }),
  })
  .meta({ id: 'ApiKey' });

export const newApiKeySchema = apiKeySchema
  .extend({
    key: z.string().meta({ description: 'The key. It is shown this once and cannot be recovered.' }),
    signing_secret: z.string().nullable().meta({
      description:
        'What to sign requests with (base64url of 32 bytes); shown this once, null when the key need not sign.',
    }),
  })
  .meta({ id: 'NewApiKey' });

export const apiKeyListSchema = z
  .object({ object: z.literal('list'), data: z.array(apiKeySchema) })
  .meta({ id: 'ApiKeyList' });
