/** Says when limits begin and end to hold per gateway, because the shared counters are away. */
import type { FallbackOptions } from '@inkwell/limits';
import type { Logger, Metrics } from '@inkwell/observability';

export function reportFallback({ log, metrics }: { log: Logger; metrics: Metrics }): FallbackOptions['onChange'] {
  return (active, reason) => {
    metrics.rateLimiterFallback.set(active ? 1 : 0);
    if (active) log.error({ err: reason }, 'the shared limits are away; this gateway goes on with its own');
    else log.warn('the shared limits are back');
  };
}
