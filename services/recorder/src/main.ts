/** The recorder of a cluster as a process of its own. */
import { runService } from '@inkwell/resilience';
import { composeRecorder } from './compose.ts';

await runService('recorder', () => composeRecorder(process.env));
