/** Which limits bind a request, from the settings, the caller's role and the caller's record. */
import { type LimitOverrides, type Role, roleAllowances } from '@inkwell/contracts';
import type { Limit } from '@inkwell/ports';

/** null = no limit. */
export interface Rates {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  tokensPerDay: number | null;
  tokensPerMonth: number | null;
}

export interface RateSettings {
  ipRequestsPerMinute: number | null;
  readsPerMinute: number | null;
  user: Rates;
  key: Rates;
}

export const noRates: Rates = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  tokensPerDay: null,
  tokensPerMonth: null,
};

export interface LimitSubject {
  kind: 'key' | 'user';
  id: string;
  role: Role;
  /** Of the key or the person. */
  overrides: LimitOverrides | null;
}

/** The configured rate unless the record has one of its own. */
function rateOf(settings: RateSettings, { kind, role, overrides }: LimitSubject, name: keyof Rates): number | null {
  return overrides?.[name] ?? (roleAllowances[role].limited ? settings[kind][name] : null);
}

const kinds = [
  { rate: 'requestsPerMinute', unit: 'requests', window: 'minute' },
  { rate: 'tokensPerMinute', unit: 'tokens', window: 'minute' },
  { rate: 'tokensPerDay', unit: 'tokens', window: 'day' },
  { rate: 'tokensPerMonth', unit: 'tokens', window: 'month' },
] as const;

/** Requests first, then tokens from the shortest window to the longest. */
export function limitsOfSubject(settings: RateSettings, subject: LimitSubject): Limit[] {
  return kinds.flatMap(({ rate, unit, window }) => {
    const amount = rateOf(settings, subject, rate);
    return amount === null ? [] : [{ name: `${subject.kind}:${subject.id}:${unit}`, unit, window, amount }];
  });
}

export function limitsOfAddress({ ipRequestsPerMinute }: RateSettings, address: string): Limit[] {
  if (ipRequestsPerMinute === null) return [];
  return [{ name: `ip:${address}:requests`, unit: 'requests', window: 'minute', amount: ipRequestsPerMinute }];
}
