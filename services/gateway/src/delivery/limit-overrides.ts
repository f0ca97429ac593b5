/** Limits of one key or person, between the record and the API. */
import type { LimitOverrides } from '@inkwell/contracts';
import type { limitOverridesSchema } from '@inkwell/contracts/http';
import type { z } from 'zod';

type LimitsResource = z.infer<typeof limitOverridesSchema>;

export function toLimitsResource(limits: LimitOverrides | null): LimitsResource | null {
  return (
    limits && {
      requests_per_minute: limits.requestsPerMinute ?? null,
      tokens_per_minute: limits.tokensPerMinute ?? null,
      tokens_per_day: limits.tokensPerDay ?? null,
      tokens_per_month: limits.tokensPerMonth ?? null,
    }
  );
}

export function fromLimitsResource(limits: LimitsResource | null): LimitOverrides | null {
  return (
    limits && {
      requestsPerMinute: limits.requests_per_minute ?? null,
      tokensPerMinute: limits.tokens_per_minute ?? null,
      tokensPerDay: limits.tokens_per_day ?? null,
      tokensPerMonth: limits.tokens_per_month ?? null,
    }
  );
}
