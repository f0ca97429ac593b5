/** The settings of an edition as the limits they mean. */
import type { EmbeddedConfig } from '@inkwell/contracts';
import type { RateSettings } from './limits-of.ts';

type LimitConfig = Pick<EmbeddedConfig, Extract<keyof EmbeddedConfig, `INKWELL_LIMIT_${string}`>>;

export function rateSettings(config: LimitConfig): RateSettings {
  return {
    ipRequestsPerMinute: config.INKWELL_LIMIT_IP_PER_MINUTE,
    readsPerMinute: config.INKWELL_LIMIT_READS_PER_MINUTE,
    user: {
      requestsPerMinute: config.INKWELL_LIMIT_USER_PER_MINUTE,
      tokensPerMinute: config.INKWELL_LIMIT_USER_TOKENS_PER_MINUTE,
      tokensPerDay: config.INKWELL_LIMIT_USER_TOKENS_PER_DAY,
      tokensPerMonth: config.INKWELL_LIMIT_USER_TOKENS_PER_MONTH,
    },
    key: {
      requestsPerMinute: config.INKWELL_LIMIT_KEY_PER_MINUTE,
      tokensPerMinute: config.INKWELL_LIMIT_KEY_TOKENS_PER_MINUTE,
      tokensPerDay: config.INKWELL_LIMIT_KEY_TOKENS_PER_DAY,
      tokensPerMonth: config.INKWELL_LIMIT_KEY_TOKENS_PER_MONTH,
    },
  };
}
