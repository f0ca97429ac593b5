/** Counts by looking at every job: what the store's counters must equal. For tests alone; the store itself never scans. */
import { type JobRecord, priorities } from '@inkwell/contracts';
import type { JobStore, QueueCounts } from '@inkwell/ports';

export async function allJobs(store: JobStore, tenant: string): Promise<JobRecord[]> {
  const jobs: JobRecord[] = [];
  for (;;) {
    const after = jobs.at(-1)?.id;
    const page = await store.list({ tenant }, after === undefined ? { limit: 100 } : { limit: 100, after });
    jobs.push(...page.records);
    if (!page.hasMore) return jobs;
  }
}

export function recount(jobs: readonly JobRecord[]): QueueCounts {
  const counts: QueueCounts = {
    queued: { interactive: 0, standard: 0, batch: 0 },
    inProgress: jobs.filter(({ state }) => state === 'in_progress').length,
    departed: { interactive: 0, standard: 0, batch: 0 },
  };
  for (const priority of priorities) {
    const own = jobs.filter((job) => job.priority === priority);
    counts.queued[priority] = own.filter(({ state }) => state === 'queued').length;
    counts.departed[priority] = own.length - counts.queued[priority];
  }
  return counts;
}
