/** Whether what requests need is there: nothing essential is down and a worker can take jobs. */
import type { Probe } from '@inkwell/contracts/http';
import type { GatewayContext } from '../context.ts';

/** Names what is missing; also what is down but not essential, beside `ok`. */
export async function probe(gateway: GatewayContext): Promise<Probe> {
  const missing = new Set<string>();
  let ready = true;
  // Asked, since a breaker that is closed may not have noticed yet.
  const answers = await gateway.ports.jobStore.counts().then(
    () => true,
    () => false,
  );
  for (const { breaker, essential, ports } of gateway.dependencies) {
    if (breaker.state === 'closed' && (answers || !ports.includes('jobStore'))) continue;
    missing.add(breaker.dependency);
    if (essential) ready = false;
  }
  if (!gateway.workerStats().ready) {
    missing.add('worker');
    ready = false;
  }
  return { status: ready ? 'ok' : 'unavailable', ...(missing.size > 0 && { down: [...missing] }) };
}
