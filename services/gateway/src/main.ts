/** A gateway of a cluster as a process of its own. */
import { runService } from '@inkwell/resilience';
import { composeGateway } from './compose.ts';

await runService('gateway', () => composeGateway(process.env));
