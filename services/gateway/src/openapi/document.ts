/** The OpenAPI 3.1 document, made from the operations that are served and the schemas that validate. */
import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { type ErrorCode, errorTable, InkwellError } from '@inkwell/contracts';
import {
  completionChunkSchema,
  errorAnswerSchema,
  jobEventSchema,
  oauthErrorSchema,
  problemSchema,
} from '@inkwell/contracts/http';
import { z } from 'zod';
import { oauthErrorAnswer } from '../http/error-answer.ts';
import { limitKindOf } from '../limits/limit-call.ts';
import type { Access, LimitKind, Operation } from '../operation.ts';

const commonErrors: readonly ErrorCode[] = [
  'invalid_parameter',
  'unknown_parameter',
  'headers_too_large',
  'internal_error',
];
const keyErrors: readonly ErrorCode[] = [
  'missing_api_key',
  'invalid_api_key',
  'invalid_token',
  'invalid_signature',
  'address_not_allowed',
  'csrf_token_invalid',
  'dependency_unavailable',
  'shutting_down',
];
const bodyErrors: readonly ErrorCode[] = [
  'invalid_json',
  'missing_parameter',
  'payload_too_large',
  'unsupported_media_type',
];

const limitErrors: Readonly<Record<LimitKind, readonly ErrorCode[]>> = {
  job: ['rate_limit_exceeded', 'token_limit_exceeded', 'budget_exceeded', 'insufficient_scope'],
  request: ['rate_limit_exceeded'],
  read: ['rate_limit_exceeded'],
  none: [],
};

function errorsOf(operation: Operation): ErrorCode[] {
  return [
    ...commonErrors,
    ...(operation.access === 'open' ? [] : keyErrors),
    ...(operation.access === 'open' ? [] : (['insufficient_scope'] as const)),
    ...limitErrors[limitKindOf(operation)],
    ...(operation.body ? bodyErrors : []),
    ...(operation.headers ? (['invalid_header'] as const) : []),
    ...(operation.headers?.['Idempotency-Key'] ? (['idempotency_in_progress'] as const) : []),
    ...(operation.errors ?? []),
  ];
}

const oauthErrorContent = { 'application/json': { schema: oauthErrorSchema } };
const errorContent = {
  'application/json': { schema: errorAnswerSchema },
  'application/problem+json': { schema: problemSchema },
};

const oauthStatus = (code: ErrorCode): number => oauthErrorAnswer(new InkwellError(code)).status;

/** One answer per status, naming the codes it can carry. */
function errorResponses(operation: Operation): RouteConfig['responses'] {
  const { errorShape } = operation;
  const statusOf = (code: ErrorCode) => (errorShape === 'oauth' ? oauthStatus(code) : errorTable[code].status);
  const byStatus = Map.groupBy(errorsOf(operation), statusOf);
  const entries = [...byStatus].map(([status, codes]) => {
    const description = codes.map((code) => `\`${code}\`: ${errorTable[code].message}`).join('\n\n');
    return [status, { description, content: errorShape === 'oauth' ? oauthErrorContent : errorContent }] as const;
  });
  return Object.fromEntries(entries);
}

function answerResponses({ answers }: Operation): RouteConfig['responses'] {
  const entries = Object.entries(answers).map(([status, { description, content }]) => {
    const media = Object.entries(content ?? {}).map(([type, schema]) => [type, { schema }] as const);
    return [status, media.length > 0 ? { description, content: Object.fromEntries(media) } : { description }] as const;
  });
  return Object.fromEntries(entries);
}

function headersOf({ headers }: Operation): z.ZodObject | undefined {
  if (!headers) return undefined;
  const entries = Object.entries(headers).map(
    ([name, documented]) =>
      [
        name,
        z
          .string()
          .optional()
          .meta({ ...documented }),
      ] as const,
  );
  return z.object(Object.fromEntries(entries));
}

const mediaTypes = { json: 'application/json', form: 'application/x-www-form-urlencoded' } as const;

function bodyContent({ body, bodyTypes = ['json'] }: Operation) {
  return Object.fromEntries(bodyTypes.map((type) => [mediaTypes[type], { schema: body! }] as const));
}

const credentials: Record<string, string[]>[] = [{ apiKey: [] }, { bearer: [] }, { session: [] }];

/** Who looks in from the machine itself needs none. */
function securityOf(access: Access): RouteConfig['security'] {
  if (access === 'open') return [];
  return access === 'monitor' ? [...credentials, {}] : credentials;
}

function toRoute(operation: Operation): RouteConfig {
  const { access, body, description, id, method, params, path, query, rules = [], summary, tag } = operation;
  return {
    method,
    path,
    operationId: id,
    tags: [tag],
    summary,
    description,
    security: securityOf(access),
    ...(rules.length > 0 && { 'x-rules': rules }),
    request: {
      params: params as z.ZodObject | undefined,
      query: query as z.ZodObject | undefined,
      headers: headersOf(operation),
      body: body && { required: true, content: bodyContent(operation) },
    },
    responses: { ...errorResponses(operation), ...answerResponses(operation) },
  };
}

/** What streams carry is named by their description only, so it is added by hand. */
const streamed = [jobEventSchema, completionChunkSchema];

/** Every whole number we take or give is one that a double holds exactly; the generator leaves that out. */
function boundIntegers(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const schema = node as { type?: unknown; minimum?: number; maximum?: number };
  if ([schema.type].flat().includes('integer')) {
    schema.minimum ??= Number.MIN_SAFE_INTEGER;
    schema.maximum ??= Number.MAX_SAFE_INTEGER;
  }
  for (const value of Object.values(node)) boundIntegers(value);
}

export function openApiDocument(operations: readonly Operation[], version: string): object {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'apiKey', { type: 'apiKey', in: 'header', name: 'X-API-Key' });
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'session', { type: 'apiKey', in: 'cookie', name: 'inkwell_session' });
  for (const operation of operations) registry.registerPath(toRoute(operation));
  const document = new OpenApiGeneratorV31([
    ...registry.definitions,
    ...streamed.map((schema) => ({ type: 'schema' as const, schema })),
  ]).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Inkwell',
      version,
      description: 'Durable text generation: jobs, resumable streams and OpenAI-compatible completions.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
  });
  boundIntegers(document);
  return document;
}
