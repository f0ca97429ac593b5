import { priorities } from '@inkwell/contracts';
import { z } from 'zod';
import type { GatewayContext } from '../../context.ts';
import { defineOperation } from '../../operation.ts';

/**
 * Gauges whose truth is in the store are read when asked for, so they are never stale. While the store is away they are left out: an outage is
 * when the other metrics are needed most.
 */
async function readGauges({ log, metrics, ports }: GatewayContext): Promise<void> {
  metrics.queued.reset();
  try {
    const counts = await ports.jobStore.counts();
    for (const priority of priorities) metrics.queued.set({ priority }, counts.queued[priority]);
  } catch (error) {
    log.warn({ err: error }, 'how many jobs wait is not known now');
  }
}

/** `GET /metrics` in the Prometheus text format. */
export const metrics = defineOperation({
  id: 'metrics',
  method: 'get',
  path: '/metrics',
  tag: 'About',
  summary: 'Prometheus metrics',
  access: 'monitor',
  scope: 'admin',
  answers: { 200: { description: 'The metrics.', content: { 'text/plain': z.string() } } },
  async handle(_call, gateway) {
    await readGauges(gateway);
    await gateway.refreshMetrics().catch((error: unknown) => gateway.log.warn({ err: error }, 'stale gauges'));
    const { registry } = gateway.metrics;
    return { status: 200, contentType: registry.contentType, body: await registry.metrics() };
  },
});
