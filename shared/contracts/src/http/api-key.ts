/** `/api/keys`: making, listing and revoking API keys. The key itself appears in one answer only, the one that made it. */
import { z } from 'zod';
import { roles } from '../scope.ts';
import { textOf, unixSeconds } from './text.ts';

export const apiKeyIdSchema = z.string().regex(/^key_[0-9A-Za-z]{1,40}$/, { error: 'must be a key id, key_…' });

export const apiKeyRequestSchema = z
  .strictObject({
    name: textOf(1, 100).meta({ description: 'For people.' }),
    tenant: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, {
        error: 'must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit',
      })
      .meta({ description: 'Whose jobs the key sees. Keys of one tenant share them.' }),
    role: z.enum(roles).default('user'),
    expires_at: unixSeconds.optional().meta({ description: 'Unix seconds; without it the key does not expire.' }),
  })
  .meta({ id: 'ApiKeyRequest' });

export const apiKeySchema = z
  .object({
    id: z.string(),
    object: z.literal('api_key'),
    name: z.string(),
    prefix: z.string().meta({ description: 'The first characters of the key.' }),
    tenant: z.string(),
    role: z.enum(roles),
    created_at: z.number(),
    expires_at: z.number().nullable(),
    revoked_at: z.number().nullable(),
  })
  .meta({ id: 'ApiKey' });

export const newApiKeySchema = apiKeySchema
  .extend({ key: z.string().meta({ description: 'The key. It is shown this once and cannot be recovered.' }) })
  .meta({ id: 'NewApiKey' });

export const apiKeyListSchema = z
  .object({ object: z.literal('list'), data: z.array(apiKeySchema) })
  .meta({ id: 'ApiKeyList' });
