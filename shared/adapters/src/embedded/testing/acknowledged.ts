/** What the process that is killed says to the test that kills it. */
import type { JobKey } from '@inkwell/contracts';

/** One acknowledged operation. `seq` is the story's last number, `fence` the job's newest. */
export type Acknowledged =
  | { what: 'created' | 'published' | 'acked' | 'answered'; key: JobKey }
  | { what: 'appended'; key: JobKey; seq: number }
  | { what: 'leased'; key: JobKey; fence: number }
  | { what: 'moved'; key: JobKey; state: 'in_progress' | 'completed' }
  | { what: 'claimed'; key: JobKey; resourceId: string };

export const tenants = ['red', 'green', 'blue'] as const;
