/** Looks behind the ports: what the ledger says beside what the jobs are. */
import { priorities } from '@inkwell/contracts';
import type { MongoConnection } from '../connection.ts';
import { tenantName } from '../ledger.ts';

/** Both sides in the same form; they are equal when nothing is under way. */
export async function audit({ jobs, ledger }: Pick<MongoConnection, 'jobs' | 'ledger'>) {
  const [document, all] = await Promise.all([ledger.findById('ledger').lean(), jobs.find().lean()]);
  if (document === null) throw new Error('there is no ledger');
  const queued = all.filter(({ state }) => state === 'queued');
  const byPriority = Object.fromEntries(
    priorities.map((priority) => [priority, queued.filter((job) => job.priority === priority).length]),
  );
  const tenants = Object.fromEntries(Object.keys(document.tenants).map((name) => [name, 0]));
  for (const { tenant } of queued) tenants[tenantName(tenant)] = (tenants[tenantName(tenant)] ?? 0) + 1;
  const departed = Object.fromEntries(
    priorities.map((priority) => [priority, document.ordinal[priority] - (byPriority[priority] ?? 0)]),
  );
  return {
    ledger: {
      total: document.total,
      queued: document.queued,
      inProgress: document.inProgress,
      tenants: document.tenants,
      departed: document.departed,
      unsettled: 0,
    },
    jobs: {
      total: queued.length,
      queued: byPriority,
      inProgress: all.filter(({ state }) => state === 'in_progress').length,
      tenants,
      departed,
      unsettled: all.filter(({ state, pending }) => state === 'arriving' || pending !== 0).length,
    },
  };
}
