/** `/api/admin/users`: people, for superusers. */
import { z } from 'zod';
import { roles } from '../scope.ts';
import { limitOverridesSchema } from './api-key.ts';
import { emailSchema, meSchema, userIdSchema } from './auth.ts';
import { queryInteger } from './query.ts';
import { orNull } from './text.ts';

export const adminUserSchema = meSchema.extend({ limits: orNull(limitOverridesSchema) }).meta({ id: 'AdminUser' });

export const adminUserListSchema = z
  .object({ object: z.literal('list'), data: z.array(adminUserSchema), has_more: z.boolean() })
  .meta({ id: 'AdminUserList' });

export const adminUserListQuerySchema = z.strictObject({
  limit: queryInteger(1, 100).optional().meta({ description: 'Users per page. Default 20.' }),
  after: userIdSchema.optional().meta({ description: 'The last id of the page before.' }),
});

export const adminUserChangeSchema = z
  .strictObject({
    role: z.enum(roles).optional(),
    disabled: z.boolean().optional(),
    email: emailSchema.nullable().optional(),
    email_verified: z.boolean().optional().meta({ description: 'You vouch that the address is theirs.' }),
    limits: orNull(limitOverridesSchema).optional(),
  })
  .meta({ id: 'AdminUserChange', description: 'What is left out stays as it is.' });
