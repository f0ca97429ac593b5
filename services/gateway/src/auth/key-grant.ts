/** What a caller may give a key they make or change: never more than they have themselves. */
import { hasRole, InkwellError, type Role, type Scope, scopesOfKey } from '@inkwell/contracts';
import { isAddressOrNetwork } from '@inkwell/identity';
import type { Rule } from '../operation.ts';
import type { Caller } from './caller.ts';

export interface KeyWish {
  tenant?: string | undefined;
  role?: Role | undefined;
  scopes?: Scope[] | null | undefined;
  models?: string[] | null | undefined;
  allowed_ips?: string[] | null | undefined;
  limits?: unknown;
}

export const addressRule: Rule = { param: 'allowed_ips', rule: 'each must be an address or a network (CIDR)' };

function refuse(param: string, message: string): never {
  throw new InkwellError('insufficient_scope', { param, message });
}

/** @throws InkwellError `insufficient_scope` or `invalid_parameter`, naming the field */
export function checkKeyWish(caller: Caller, wish: KeyWish): void {
  const wrong = wish.allowed_ips?.findIndex((one) => !isAddressOrNetwork(one)) ?? -1;
  if (wrong >= 0) {
    const param = `allowed_ips.${wrong}`;
    throw new InkwellError('invalid_parameter', { param, message: `${param}: must be an address or a network (CIDR)` });
  }
  if (caller.role === 'superuser' && !caller.restricted) return;
  if (wish.tenant !== undefined && wish.tenant !== caller.tenant)
    refuse('tenant', 'Keys of other tenants are a superuser’s.');
  if (wish.role !== undefined && !hasRole(caller.role, wish.role))
    refuse('role', 'You cannot give a role above your own.');
  if (wish.limits) refuse('limits', 'Limits are a superuser’s to set.');
  const lacking = wish.scopes?.find((scope) => !caller.scopes.includes(scope));
  if (lacking) refuse('scopes', `You cannot give the scope ${lacking}.`);
  const model = caller.models && wish.models?.find((one) => !caller.models?.includes(one));
  if (model) refuse('models', 'You cannot give models you may not use.');
}

/** A list left out means all, and for a caller who hasn't all, all they have. */
export function scopesToGive(caller: Caller, role: Role, wished: Scope[] | null | undefined): Scope[] | null {
  if (wished || !caller.restricted) return wished ?? null;
  return scopesOfKey(role).filter((scope) => caller.scopes.includes(scope));
}

export function modelsToGive(caller: Caller, wished: string[] | null | undefined): string[] | null {
  return wished ?? (caller.models === null ? null : [...caller.models]);
}
