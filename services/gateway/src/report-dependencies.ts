/** What the breakers have to tell, as metrics and, when one changes its state, as a line of the log. */
import type { Logger, Metrics } from '@inkwell/observability';
import type { BreakerListener, BreakerState } from '@inkwell/resilience';

const numbers: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 };

export function reportDependencies({ log, metrics }: { log: Logger; metrics: Metrics }): BreakerListener {
  const down = new Set<string>();
  return {
    onState(dependency, state) {
      metrics.breakerState.set({ dependency }, numbers[state]);
      if (state === 'open' && !down.has(dependency)) log.error({ dependency }, 'a dependency is down');
      if (state === 'closed' && down.has(dependency)) log.warn({ dependency }, 'a dependency is back');
      if (state === 'open') down.add(dependency);
      if (state === 'closed') down.delete(dependency);
    },
    onRefusal: (dependency, reason) => metrics.dependencyRefusals.inc({ dependency, reason }),
  };
}
