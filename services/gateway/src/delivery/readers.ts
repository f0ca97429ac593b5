/** How many clients of this gateway read each job's stream: a job cancelled on disconnect ends when the last of them leaves. */
import type { JobKey } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';

const readers = new WeakMap<GatewayContext, Map<JobKey, number>>();

function countsOf(gateway: GatewayContext): Map<JobKey, number> {
  let counts = readers.get(gateway);
  if (!counts) {
    counts = new Map();
    readers.set(gateway, counts);
  }
  return counts;
}

export function readerCame(gateway: GatewayContext, key: JobKey): void {
  const counts = countsOf(gateway);
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** True when it was the last. */
export function readerLeft(gateway: GatewayContext, key: JobKey): boolean {
  const counts = countsOf(gateway);
  const left = (counts.get(key) ?? 1) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
  return left <= 0;
}
