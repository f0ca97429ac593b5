/** A worker of a cluster as a process of its own. */
import { runService } from '@inkwell/resilience';
import { composeWorker } from './compose.ts';

await runService('worker', () => composeWorker(process.env));
