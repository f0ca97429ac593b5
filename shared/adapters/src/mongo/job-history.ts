/** JobHistory over MongoDB: a document per job, its id the job's key. */
import { type JobEnded, type JobKey, jobKey } from '@inkwell/contracts';
import type { HistoryFilter, JobHistory } from '@inkwell/ports';
import type { MongoConnection } from './connection.ts';
import { insertMissing } from './insert-missing.ts';
import type { HistoryDocument } from './recorder-schema.ts';
import { timeRange } from './time-range.ts';

const toDocument = ({ key, ...rest }: JobEnded): HistoryDocument => ({ _id: key, ...rest });
const toJob = ({ _id, ...rest }: HistoryDocument): JobEnded => ({ key: _id as JobKey, ...rest });

function where({ tenant, states, from, before }: HistoryFilter): Record<string, unknown> {
  return {
    tenant,
    ...(states === undefined ? {} : { state: { $in: [...states] } }),
    ...timeRange('finishedAt', from, before),
  };
}

export function createJobHistory({ history, call }: MongoConnection): JobHistory {
  return {
    record: (jobs) => call(() => insertMissing(history.collection, jobs.map(toDocument))),

    get: (key) =>
      call(async () => {
        const found = await history.findById(key).lean();
        return found === null ? undefined : toJob(found as HistoryDocument);
      }),

    list: (filter, { limit, after }) =>
      call(async () => {
        const conditions = [where(filter)];
        if (after !== undefined) {
          const last = await history.findById(jobKey(filter.tenant, after)).lean();
          if (last === null) return { jobs: [], hasMore: false };
          const { finishedAt, _id } = last;
          conditions.push({ $or: [{ finishedAt: { $lt: finishedAt } }, { finishedAt, _id: { $lt: _id } }] });
        }
        const found = await history
          .find({ $and: conditions })
          .sort({ finishedAt: -1, _id: -1 })
          .limit(limit + 1)
          .lean();
        return {
          jobs: found.slice(0, limit).map((one) => toJob(one as HistoryDocument)),
          hasMore: found.length > limit,
        };
      }),
  };
}
