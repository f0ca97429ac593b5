/** The limits of calls that make no job, checked before the body is read. Jobs are counted when they are accepted, with their tokens. */
import { randomUUID } from 'node:crypto';
import { InkwellError, roleAllowances } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import type { Call, LimitKind, Operation } from '../operation.ts';
import { quotaOf, takeQuota } from './quota.ts';

/** What an operation counts as if it doesn't say: everything a credential is needed for is a reading. */
export function limitKindOf({ limit, access }: Pick<Operation, 'limit' | 'access'>): LimitKind {
  return limit ?? (access === 'open' || access === 'monitor' ? 'none' : 'read');
}

/** @throws InkwellError `rate_limit_exceeded` */
export async function limitCall(
  gateway: GatewayContext,
  operation: Operation,
  call: Pick<Call, 'caller' | 'request' | 'response'>,
): Promise<void> {
  const kind = limitKindOf(operation);
  if (kind === 'request') {
    const quota = quotaOf(gateway, call);
    const limits = quota.limits.filter(({ unit }) => unit === 'requests');
    await takeQuota(gateway, { ...quota, limits }, `request:${randomUUID()}`, 0);
  }
  if (kind !== 'read' || !roleAllowances[call.caller.role].limited) return;
  const { waitMs, first } = await gateway.readGate(call.caller.keyId || (call.caller.userId ?? ''));
  if (waitMs === 0) return;
  gateway.metrics.rateLimited.inc({ unit: 'reads', window: 'minute' });
  const message = `More than ${gateway.config.rates.readsPerMinute} reading requests within a minute; wait or follow a stream.`;
  // A client in a loop is told of once a minute: a durable event for each refusal would cost more than the reading.
  const note = first ? { details: { limit: 'reads minute', amount: gateway.config.rates.readsPerMinute! } } : 'told';
  throw new InkwellError('rate_limit_exceeded', { message, retryAfterSeconds: waitMs / 1_000, note });
}
