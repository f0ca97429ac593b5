/** The edition under test: `INKWELL_TEST_EDITION=cluster` asks a cluster of two gateways and two workers, anything else the embedded one. */
import { ClusterProcess } from './cluster-process.ts';
import { InkwellProcess } from './inkwell-process.ts';
import type { InkwellOptions } from './product-process.ts';

const isCluster = process.env.INKWELL_TEST_EDITION === 'cluster';

export type Edition = InkwellProcess | ClusterProcess;

export function createEdition(options: InkwellOptions = {}): Edition {
  return isCluster ? new ClusterProcess(options) : new InkwellProcess(options);
}

/** The command that starts it, after `inkwell`. */
export const startCommand: readonly string[] = isCluster ? ['cluster', '--gateways', '2', '--workers', '2'] : ['serve'];

/** Sequences one engine runs at once. */
export const slotsPerWorker = 64;
