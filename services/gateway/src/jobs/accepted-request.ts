/**
 * From a validated body to an accepted request: model found, prompts tokenised, context, limits and content policy checked, seed and deadline
 * settled. The type is branded; only `acceptRequest` makes one, so whatever holds an `AcceptedRequest` knows that nothing is left to check.
 */
import { randomInt } from 'node:crypto';
import {
  type GenerationSpec,
  InkwellError,
  type JobRecord,
  type Priority,
  type Role,
  roleAllowances,
} from '@inkwell/contracts';
import { defaultMaxTokens, type GenerationRequest, maxSequences } from '@inkwell/contracts/http';
import { type ContentPolicy, parseWebhookUrl } from '@inkwell/safety';
import { originOf } from '../audit/actor.ts';
import type { GatewayContext, ServedModel } from '../context.ts';
import { clientAddress } from '../http/client-address.ts';
import { checkFitsLimits } from '../limits/fits-limits.ts';
import { type Quota, quotaOf } from '../limits/quota.ts';
import type { Call } from '../operation.ts';
import { readDeadline } from './deadline.ts';
import { findModel } from './find-model.ts';
import { checkPrompts } from './prompt-policy.ts';
import { tokenisePrompts } from './tokenise-prompts.ts';

declare const accepted: unique symbol;

export type AcceptedRequest = Readonly<
  Pick<
    JobRecord,
    | 'tenant'
    | 'priority'
    | 'spec'
    | 'metadata'
    | 'costTokens'
    | 'deadlineAt'
    | 'onDisconnect'
    | 'requestHash'
    | 'createdBy'
    | 'origin'
    | 'requestId'
    | 'webhook'
  >
> & {
  /** The limits that bind it; taken when the job is accepted. */
  readonly quota: Quota;
  readonly [accepted]: true;
};

/** What an endpoint assumes where the request says nothing. */
export interface RequestDefaults {
  priority: Priority;
  onDisconnect: JobRecord['onDisconnect'];
}

function invalid(param: string, problem: string): InkwellError {
  return new InkwellError('invalid_parameter', { param, message: `${param}: ${problem}` });
}

/** How many tokens may be generated beside the longest prompt. */
function resolveMaxTokens(model: ServedModel, prompts: readonly number[][], asked: number | null | undefined): number {
  const promptTokens = Math.max(...prompts.map((prompt) => prompt.length));
  const left = model.contextLength - promptTokens;
  const context = `This model's context is ${model.contextLength} tokens and the prompt takes ${promptTokens}`;
  if (left < 1) {
    throw new InkwellError('context_length_exceeded', {
      param: 'prompt',
      message: `${context}: shorten the prompt by at least ${1 - left} tokens.`,
    });
  }
  if (asked && asked > left) {
    throw new InkwellError('context_length_exceeded', {
      param: 'max_tokens',
      message: `${context}, so max_tokens ${asked} does not fit: lower max_tokens to at most ${left} or shorten the prompt.`,
    });
  }
  return asked ?? Math.min(defaultMaxTokens, left);
}

function resolveCandidates(request: GenerationRequest, prompts: number): { n: number; bestOf: number } {
  const n = request.n ?? 1;
  const bestOf = request.best_of ?? n;
  if (bestOf < n) throw invalid('best_of', `must be at least n (${n})`);
  if (prompts * bestOf > maxSequences) {
    const field = request.best_of ? 'best_of' : prompts > 1 ? 'prompt' : 'n';
    throw invalid(field, `prompts × candidates must be at most ${maxSequences}, not ${prompts} × ${bestOf}`);
  }
  return { n, bestOf };
}

function checkLogitBias(bias: Record<string, number>, model: ServedModel): Record<string, number> {
  const { vocabSize } = model.tokenizer;
  const unknown = Object.keys(bias).find((id) => Number(id) >= vocabSize);
  if (unknown !== undefined) throw invalid(`logit_bias.${unknown}`, `this model's token ids end at ${vocabSize - 1}`);
  return bias;
}

function toSpec(request: GenerationRequest, model: ServedModel, { outputFilter }: ContentPolicy): GenerationSpec {
  const prompts = tokenisePrompts(request.prompt, model);
  return {
    model: model.id,
    prompts,
    maxTokens: resolveMaxTokens(model, prompts, request.max_tokens),
    ...resolveCandidates(request, prompts.length),
    sampling: {
      temperature: request.temperature ?? 1,
      topP: request.top_p ?? 1,
      topK: request.top_k ?? 0,
      minP: request.min_p ?? 0,
      presencePenalty: request.presence_penalty ?? 0,
      frequencyPenalty: request.frequency_penalty ?? 0,
      repetitionPenalty: request.repetition_penalty ?? 1,
      logitBias: checkLogitBias(request.logit_bias ?? {}, model),
      seed: request.seed ?? randomInt(2 ** 47),
    },
    stop: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    logprobs: request.logprobs ?? null,
    echo: request.echo ?? false,
    ignoreEos: request.ignore_eos ?? false,
    ...(outputFilter !== null && { outputFilter }),
  };
}

/** Σ over the request's sequences of prompt + max_tokens. */
function costOf({ prompts, maxTokens, bestOf }: GenerationSpec): number {
  return prompts.reduce((sum, prompt) => sum + (prompt.length + maxTokens) * bestOf, 0);
}

/** A name is resolved when it is called: only then can be known where it leads. */
function webhookOf({ webhook }: GenerationRequest, allowedHosts: ReadonlySet<string>): { webhook?: string } {
  if (typeof webhook !== 'string') return {};
  const url = parseWebhookUrl(webhook, { allowedHosts });
  if ('refusal' in url) throw invalid('webhook', url.refusal);
  return { webhook: url.href };
}

/** What the caller's role may ask for. */
function checkAllowance({ max_tokens, priority }: GenerationRequest, role: Role): void {
  const { maxTokens, priorities } = roleAllowances[role];
  if (typeof max_tokens === 'number' && max_tokens > maxTokens) {
    throw invalid('max_tokens', `the role ${role} may ask for at most ${maxTokens}`);
  }
  if (typeof priority === 'string' && !priorities.includes(priority)) {
    const message = `priority: the role ${role} may ask for ${priorities.join(' or ')}.`;
    throw new InkwellError('insufficient_scope', { param: 'priority', message });
  }
}

/** Under an id or key that the client chose. No other request can meet the job of this one, so its hash would be compared with none. */
function mayComeAgain({ request }: Call): boolean {
  return request.method === 'PUT' || request.headers['idempotency-key'] !== undefined;
}

/** @throws InkwellError whose `param` is the field at fault; nothing has been recorded then */
export function acceptRequest(
  request: GenerationRequest,
  call: Call,
  gateway: GatewayContext,
  defaults: RequestDefaults,
): AcceptedRequest {
  checkAllowance(request, call.caller.role);
  const model = findModel(gateway, call.caller, request.model);
  const policy = gateway.policy();
  const spec = toSpec(request, model, policy);
  const costTokens = costOf(spec);
  const quota = quotaOf(gateway, call);
  checkFitsLimits(spec, costTokens, quota.limits);
  checkPrompts(request.prompt, model, policy, gateway.metrics);
  return {
    quota,
    tenant: call.caller.tenant,
    priority: request.priority ?? defaults.priority,
    spec,
    metadata: request.metadata ?? {},
    costTokens,
    deadlineAt: readDeadline(request.deadline, call.request.headers['cancel-after'], gateway.clock.now()),
    onDisconnect: request.on_disconnect ?? defaults.onDisconnect,
    requestHash: mayComeAgain(call) ? call.requestHash : '',
    createdBy: call.caller.keyId,
    origin: originOf(call.caller, clientAddress(call.request, gateway.config.trustedProxies)),
    requestId: call.requestId,
    ...webhookOf(request, gateway.config.webhookHosts),
  } as AcceptedRequest;
}

/** What was accepted before, once more: nothing is left to check, it has no deadline and takes from no limit. */
export function acceptAgain(record: JobRecord, requestId: string): AcceptedRequest {
  const { tenant, priority, spec, metadata, costTokens, requestHash, createdBy, origin, webhook } = record;
  const again: Omit<AcceptedRequest, typeof accepted> = {
    quota: { limits: [], report() {} },
    tenant,
    priority,
    spec,
    metadata,
    costTokens,
    deadlineAt: null,
    onDisconnect: 'continue',
    requestHash,
    createdBy,
    ...(origin !== undefined && { origin }),
    requestId,
    ...(webhook !== undefined && { webhook }),
  };
  return again as AcceptedRequest;
}
