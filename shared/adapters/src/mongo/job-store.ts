/**
 * JobStore over MongoDB, without transactions. A job arrives unseen, is admitted by the ledger and only then is queued; later moves change the
 * job first and are counted next. Calls answer after counting, so who waited for a call finds it in the counts. A process that dies in
 * between leaves a move that `repair` ends: counts may be off for that long, never for ever.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { canTransition, InkwellError, type JobKey, type JobRecord, jobStates, type NewJob } from '@inkwell/contracts';
import type { CreateResult, JobFilter, JobPage, JobStore, QueueLimits } from '@inkwell/ports';
import type { MongoConnection } from './connection.ts';
import { isDuplicate } from './connection.ts';
import { arrivingDocument, metadataPairs, patchFields, toRecord } from './job-document.ts';
import { type Ledger, type Stamp, tenantName } from './ledger.ts';
import { heldBy, type Moves } from './moves.ts';
import type { JobDocument } from './schema.ts';

interface Parts {
  connection: MongoConnection;
  ledger: Ledger;
  moves: Moves;
  /** Longest a create waits for another create of the same key to be decided. */
  deadlineMs: number;
}

export function createJobStore({ connection, ledger, moves, deadlineMs }: Parts): JobStore {
  const { jobs, call } = connection;

  async function create(job: NewJob, limits: QueueLimits): Promise<CreateResult> {
    const giveUpAt = performance.now() + deadlineMs;
    while (performance.now() < giveUpAt) {
      const found = await jobs.findById(job.key).lean();
      if (found !== null && found.state !== 'arriving') return { outcome: 'exists', record: toRecord(found) };
      const answer = found === null ? await arrive(job, limits) : undefined;
      if (answer !== undefined) return answer;
      await wait(5);
    }
    throw new InkwellError('dependency_unavailable', {
      message: 'Another request is creating this job and has not finished.',
      retryAfterSeconds: 30,
    });
  }

  /** Undefined when another was first or took this arrival over: look again. */
  async function arrive(job: NewJob, limits: QueueLimits): Promise<CreateResult | undefined> {
    const stamp = ledger.stamp();
    const move = { epoch: stamp.epoch, from: null, to: 'queued' } as const;
    if (!(await insert(arrivingDocument(job, stamp.id, move)))) return undefined;
    const counted = { key: job.key, tenant: job.tenant, priority: job.priority, ...move };
    const answer = await ledger.count(stamp, counted, limits);
    // Counted by a call whose answer was lost, and with it the ordinal: taken back, to be tried anew.
    if (answer.outcome === 'counted before' && !(await ledger.undo(stamp, counted))) return undefined;
    if (answer.outcome !== 'counted') {
      await jobs.deleteOne({ ...heldBy(job.key, stamp), state: 'arriving' });
      return answer.outcome === 'full' ? full(answer.ledger, job.tenant, limits) : undefined;
    }
    const ordinal = answer.before.ordinal[job.priority] + 1;
    const admitted = await admit(job.key, stamp, ordinal);
    return admitted && { outcome: 'created', record: toRecord(admitted) };
  }

  async function insert(document: JobDocument): Promise<boolean> {
    try {
      await jobs.insertMany([document]);
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  async function admit(key: string, stamp: Stamp, ordinal: number): Promise<JobDocument | undefined> {
    const change = {
      $set: { state: 'queued' as const, ordinal },
      $unset: { [`moves.${stamp.id}`]: '' },
      $inc: { pending: -1 },
    };
    const filter = { ...heldBy(key, stamp), state: 'arriving' as const };
    const admitted = await jobs.findOneAndUpdate(filter, change, { returnDocument: 'after' }).lean();
    if (admitted === null) return undefined;
    ledger.forget(stamp.id);
    return admitted;
  }

  const transition: JobStore['transition'] = async (key, from, to, patch, fence) => {
    // In the order of the table: a job that moves on meanwhile is met again further on.
    for (const state of jobStates) {
      if (!from.includes(state) || (state !== to && !canTransition(state, to))) continue;
      const stamp = ledger.stamp();
      const filter = { _id: key, state, fence: { $lte: fence } };
      const fields = { ...patchFields(patch), state: to, fence };
      const change =
        state === to
          ? { $set: fields }
          : {
              $set: { ...fields, movedAt: Date.now(), [`moves.${stamp.id}`]: { epoch: stamp.epoch, from: state, to } },
              $inc: { pending: 1 },
            };
      const moved = await jobs.findOneAndUpdate(filter, change, { returnDocument: 'after' }).lean();
      if (moved === null) continue;
      const { tenant, priority } = moved;
      if (state !== to) await moves.settle(stamp, { key, tenant, priority, from: state, to });
      return toRecord(moved);
    }
    return 'conflict';
  };

  async function list(filter: JobFilter, page: JobPage): Promise<{ records: JobRecord[]; hasMore: boolean }> {
    const pairs = metadataPairs(filter.metadata ?? {});
    const found = {
      tenant: filter.tenant,
      state: filter.states === undefined ? { $ne: 'arriving' as const } : { $in: [...filter.states] },
      ...(pairs.length > 0 && { pairs: { $all: pairs } }),
    };
    let beyond = {};
    if (page.after !== undefined) {
      const after = await jobs.findOne({ tenant: filter.tenant, _id: `${filter.tenant}:${page.after}` }).lean();
      if (after === null) return { records: [], hasMore: false };
      const { createdAt, _id } = after;
      beyond = { $or: [{ createdAt: { $lt: createdAt } }, { createdAt, _id: { $lt: _id } }] };
    }
    const documents = await jobs
      .find({ ...found, ...beyond })
      .sort({ createdAt: -1, _id: -1 })
      .limit(page.limit + 1)
      .lean();
    return { records: documents.slice(0, page.limit).map(toRecord), hasMore: documents.length > page.limit };
  }

  return {
    create: (job, limits) => call(() => create(job, limits)),
    transition: (...args) => call(() => transition(...args)),
    get: (key: JobKey) =>
      call(async () => {
        const found = await jobs.findById(key).lean();
        return found === null || found.state === 'arriving' ? undefined : toRecord(found);
      }),
    list: (filter, page) => call(() => list(filter, page)),
    counts: () =>
      call(async () => {
        const { queued, inProgress, departed } = await ledger.read();
        return { queued, inProgress, departed };
      }),
    listUnfinished: (createdBefore, limit) =>
      call(async () => {
        const filter = { state: 'queued' as const, createdAt: { $lt: createdBefore } };
        return (await jobs.find(filter).sort({ createdAt: 1, _id: 1 }).limit(limit).lean()).map(toRecord);
      }),
  };
}

function full(
  { total, tenants }: { total: number; tenants: Record<string, number> },
  tenant: string,
  { maxQueued }: QueueLimits,
): CreateResult {
  if (total >= maxQueued) return { outcome: 'full', scope: 'queue', queued: total };
  return { outcome: 'full', scope: 'tenant', queued: tenants[tenantName(tenant)] ?? 0 };
}
