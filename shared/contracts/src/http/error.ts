/** The body of every error answer, in the OpenAI shape, and in the shape of RFC 9457 for those who ask for it. */
import { z } from 'zod';
import { type ErrorCode, errorTable } from '../errors.ts';

const codes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

export const errorBodySchema = z
  .object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().meta({ description: 'The field at fault, in dotted form.' }),
    code: z.enum(codes),
  })
  .meta({ id: 'ErrorBody' });

export const errorAnswerSchema = z.object({ error: errorBodySchema }).meta({ id: 'Error' });

export const problemSchema = z
  .object({
    type: z.string().meta({ description: '`urn:inkwell:error:` and the code.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: '`urn:inkwell:request:` and the request id.' }),
    code: z.enum(codes),
    param: z.string().nullable(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

export const oauthErrorSchema = z
  .object({
    error: z.enum([
      'invalid_request',
      'invalid_client',
      'invalid_grant',
      'invalid_scope',
      'unsupported_grant_type',
      'temporarily_unavailable',
    ]),
    error_description: z.string(),
  })
  .meta({ id: 'OAuthError', description: 'RFC 6749, section 5.2' });
