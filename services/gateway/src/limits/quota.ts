/** The limits that bind one call, where their state is told, and what a refusal by them says. */
import { InkwellError } from '@inkwell/contracts';
import { addressGroup } from '@inkwell/identity';
import { limitsOfAddress, limitsOfSubject } from '@inkwell/limits';
import type { Limit, LimitUse, TakeResult } from '@inkwell/ports';
import type { Caller } from '../auth/caller.ts';
import type { GatewayContext } from '../context.ts';
import { clientAddress } from '../http/client-address.ts';
import { noteHeaders } from '../middleware/response-head.ts';
import type { Call } from '../operation.ts';
import { rateHeaders } from './rate-headers.ts';

export interface Quota {
  readonly limits: readonly Limit[];
  /** Says in the answer how much is left. */
  report(uses: readonly LimitUse[]): void;
}

/** A key's own limits bind its requests, a person's those made with a token or the console. */
function subjectLimits({ config }: Pick<GatewayContext, 'config'>, caller: Caller): Limit[] {
  const { keyId, userId, role, limits: overrides } = caller;
  if (keyId !== '') return limitsOfSubject(config.rates, { kind: 'key', id: keyId, role, overrides });
  return userId === null ? [] : limitsOfSubject(config.rates, { kind: 'user', id: userId, role, overrides });
}

type Asked = Pick<Call, 'caller' | 'request' | 'response'>;

/** Who looks in from this machine itself is bound by nothing. */
export function quotaOf(gateway: GatewayContext, { caller, request, response }: Asked): Quota {
  const { config, clock } = gateway;
  const limits =
    caller.kind === 'local'
      ? []
      : [
          ...limitsOfAddress(config.rates, addressGroup(clientAddress(request, config.trustedProxies))),
          ...subjectLimits(gateway, caller),
        ];
  return {
    limits,
    report(uses) {
      if (response.headersSent) return;
      noteHeaders(response, rateHeaders(uses, clock.now()));
    },
  };
}

const whose: Readonly<Record<string, string>> = { ip: 'your address', key: 'this API key', user: 'your account' };

function refusal({ by, retryAt }: Extract<TakeResult, { outcome: 'refused' }>, nowMs: number): InkwellError {
  const owner = whose[by.name.slice(0, by.name.indexOf(':'))] ?? 'you';
  const message = `The limit of ${by.amount} ${by.unit} per ${by.window} for ${owner} is reached.`;
  const retryAfterSeconds = retryAt === null ? undefined : (retryAt - nowMs) / 1_000;
  const { name, unit, window, amount } = by;
  const note = { details: { limit: `${name.slice(0, name.indexOf(':'))} ${unit} ${window}`, amount } };
  if (unit === 'requests') return new InkwellError('rate_limit_exceeded', { message, retryAfterSeconds, note });
  const code = window === 'minute' ? 'token_limit_exceeded' : 'budget_exceeded';
  return new InkwellError(code, { message, retryAfterSeconds, note });
}

/**
 * Takes one request and `tokens` tokens of every limit, or of none.
 * @returns whether it was taken now, or held since an earlier try for the same id
 * @throws InkwellError `rate_limit_exceeded`, `token_limit_exceeded` or `budget_exceeded`, with the moment to come back
 */
export async function takeQuota(
  gateway: GatewayContext,
  { limits, report }: Quota,
  id: string,
  tokens: number,
): Promise<'granted' | 'held'> {
  if (limits.length === 0) return 'granted';
  const result = await gateway.ports.rateLimiter.take({ id, limits, tokens });
  report(result.uses);
  if (result.outcome !== 'refused') return result.outcome;
  gateway.metrics.rateLimited.inc({ unit: result.by.unit, window: result.by.window });
  throw refusal(result, gateway.clock.now());
}
