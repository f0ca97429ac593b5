/** Whether what requests need is there: the store answers and a worker can take jobs. */
import type { GatewayContext } from '../context.ts';

export async function isReady(gateway: GatewayContext): Promise<boolean> {
  if (!gateway.workerStats().ready) return false;
  try {
    await gateway.ports.jobStore.counts();
    return true;
  } catch (error) {
    gateway.log.warn({ err: error }, 'not ready: the job store does not answer');
    return false;
  }
}
