/** `/api/auth`: accounts, tokens and sessions. */
import { z } from 'zod';
import { roles, scopes } from '../scope.ts';
import { textOf } from './text.ts';

const username = z
  .string()
  .min(1)
  .max(254)
  .transform((text) => text.trim().toLowerCase())
  .meta({ description: 'Username, or a verified e-mail address.' });

/** Longer ones are refused before they cost anything. */
const givenPassword = z.string().min(1).max(128);

/** Local part and domain as nearly every address has them; no quotes, comments or literals (RFC 5321, section 4.1.2). */
const emailFormat = /^[A-Za-z0-9_+-]+([.'][A-Za-z0-9_+-]+)*@([A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,63}$/;

export const emailSchema = z
  .string()
  .regex(emailFormat, { error: 'must be an e-mail address' })
  .max(254)
  .transform((text) => text.toLowerCase());

/** A password to be taken on. */
const newPassword = z.string().min(8, 'must have at least 8 characters').max(128, 'must have at most 128 characters');

export const registrationSchema = z
  .strictObject({
    username: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, {
        error: 'must be 2 to 63 of letters, digits, ., _ and -, beginning with a letter or digit',
      })
      .transform((text) => text.toLowerCase()),
    email: emailSchema.optional(),
    password: newPassword,
  })
  .meta({ id: 'Registration' });

export const passwordChangeSchema = z
  .strictObject({ current_password: givenPassword, new_password: newPassword })
  .meta({ id: 'PasswordChange' });

export const loginSchema = z
  .strictObject({
    username,
    password: givenPassword,
    grant_type: z.literal('password').optional(),
    scope: z
      .string()
      .max(200)
      .optional()
      .meta({ description: 'Scopes wanted, separated by spaces; all when left out.' }),
    client_id: z.string().max(200).optional(),
    client_secret: z.string().max(200).optional(),
  })
  .meta({ id: 'Login', description: 'As JSON, or as the form of OAuth 2.' });

export const refreshSchema = z.strictObject({ refresh_token: z.string().min(1).max(1024) }).meta({ id: 'Refresh' });

/** Unknown fields are passed over, as RFC 6749 (section 3.2) asks. */
export const tokenRequestSchema = z
  .object({
    grant_type: z
      .string()
      .min(1)
      .max(200)
      .meta({ enum: ['client_credentials', 'refresh_token'] }),
    scope: z.string().max(200).optional(),
    client_id: z.string().max(200).optional(),
    client_secret: z.string().max(300).optional(),
    refresh_token: z.string().max(1024).optional(),
  })
  .meta({
    id: 'TokenRequest',
    description:
      '`client_credentials` with an API key (its id and itself, by HTTP Basic or in the body), or `refresh_token`.',
  });

export const tokensSchema = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().meta({ description: 'Seconds.' }),
    refresh_token: z.string().optional(),
    scope: z.string(),
  })
  .meta({ id: 'Tokens' });

export const meSchema = z
  .object({
    id: z.string(),
    object: z.literal('user'),
    username: z.string(),
    email: z.string().nullable(),
    email_verified: z.boolean(),
    github: z.boolean().meta({ description: 'Whether a GitHub account is linked.' }),
    tenant: z.string(),
    role: z.enum(roles),
    created_at: z.number(),
    disabled_at: z.number().nullable(),
  })
  .meta({ id: 'User' });

export const callerSchema = meSchema.extend({ scopes: z.array(z.enum(scopes)) }).meta({ id: 'Me' });

export const browserSessionSchema = z
  .object({
    user: callerSchema,
    csrf_token: z.string().meta({ description: 'Send it as X-CSRF-Token.' }),
    expires_at: z.number(),
  })
  .meta({ id: 'BrowserSession' });

export const sessionIdSchema = z.string().regex(/^ses_[0-9a-f]{1,64}$/, { error: 'must be a session id, ses_…' });

const sessionSchema = z
  .object({
    id: z.string(),
    object: z.literal('session'),
    kind: z.enum(['tokens', 'browser']),
    current: z.boolean().meta({ description: 'Whether this request belongs to it.' }),
    created_at: z.number(),
    last_used_at: z.number(),
    expires_at: z.number(),
    ip: z.string(),
    user_agent: z.string(),
  })
  .meta({ id: 'Session' });

export const sessionListSchema = z
  .object({ object: z.literal('list'), data: z.array(sessionSchema) })
  .meta({ id: 'SessionList' });

export const githubCallbackQuerySchema = z.object({
  code: z.string().max(1024).optional(),
  state: z.string().max(1024).optional(),
  error: z.string().max(1024).optional(),
  error_description: z.string().max(2048).optional(),
  error_uri: z.string().max(2048).optional(),
});

export const userIdSchema = textOf(1, 64).regex(/^user_[0-9a-z]{1,48}$/, { error: 'must be a user id, user_…' });
