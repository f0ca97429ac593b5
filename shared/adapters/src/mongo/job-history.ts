/**
 * JobHistory over MongoDB: jobs of one tenant and hour that are recorded together are one document. The keys of all documents are unique, so one that
 * holds a job which is there already is refused whole; it is made again of the others.
 */
import { type JobEnded, type JobKey, jobKey } from '@inkwell/contracts';
import { bucketMs, type HistoryFilter, type JobHistory } from '@inkwell/ports';
import { mongo } from 'mongoose';
import type { MongoConnection } from './connection.ts';
import { insertMissing } from './insert-missing.ts';
import { knownAmong } from './known-among.ts';
import { chunksOf, firstOfEach } from './lists.ts';
import type { HistoryBlock, UseSum } from './recorder-schema.ts';
import { spanOf, spanWithin } from './span.ts';
import { untilAccepted } from './until-accepted.ts';

/** What is read of a block to find one job should not be much. */
const mostJobsPerBlock = 500;
/** Blocks fetched at once: many, where little was recorded at a time. */
const batchSize = 16;

function sumUse(jobs: readonly JobEnded[]): UseSum[] {
  const sums = new Map<string, UseSum>();
  let sum: UseSum | undefined;
  for (const { keyId: key, userId: user, model, usage } of jobs) {
    // Most are as the one before.
    if (sum === undefined || sum.key !== key || sum.user !== user || sum.model !== model) {
      const of = JSON.stringify([key, user, model]);
      sum = sums.get(of) ?? { key, user, model, requests: 0, promptTokens: 0, completionTokens: 0 };
      sums.set(of, sum);
    }
    sum.requests += 1;
    sum.promptTokens += usage.promptTokens;
    sum.completionTokens += usage.completionTokens;
  }
  return [...sums.values()];
}

function toBlocks(jobs: readonly JobEnded[]): HistoryBlock[] {
  const hourOf = ({ finishedAt }: JobEnded) => Math.floor(finishedAt / bucketMs.hour) * bucketMs.hour;
  const together = Map.groupBy(jobs, (job) => `${hourOf(job)} ${job.tenant}`);
  return [...together.values()].flatMap((group) =>
    chunksOf(group, mostJobsPerBlock).map((chunk) => ({
      _id: new mongo.ObjectId(),
      tenant: chunk[0]!.tenant,
      hour: hourOf(chunk[0]!),
      ...spanOf(chunk.map(({ finishedAt }) => finishedAt)),
      keys: chunk.map(({ key }) => key),
      use: sumUse(chunk),
      text: Buffer.from(JSON.stringify(chunk)),
    })),
  );
}

const jobsOf = ({ text }: Pick<HistoryBlock, 'text'>) => JSON.parse(text.toString('utf8')) as JobEnded[];

/** Newest end first, then by key. */
function compare(one: JobEnded, other: JobEnded): number {
  return other.finishedAt - one.finishedAt || (one.key < other.key ? 1 : one.key > other.key ? -1 : 0);
}

export function createJobHistory({ history, call }: MongoConnection): JobHistory {
  const find = async (key: JobKey): Promise<JobEnded | undefined> => {
    const block = await history.findOne({ keys: key }, { text: 1 }).lean();
    return block === null ? undefined : jobsOf(block).find((job) => job.key === key);
  };

  const known = (keys: readonly JobKey[]): Promise<Set<JobKey>> =>
    knownAmong(keys, async (some) => {
      const blocks = await history.find({ keys: { $in: some } }, { keys: 1 }).lean();
      return blocks.flatMap((block) => block.keys);
    });

  const record = async (jobs: readonly JobEnded[]): Promise<void> => {
    let missing = firstOfEach(jobs, ({ key }) => key);
    await untilAccepted(async () => {
      const refused = await insertMissing(history.collection, toBlocks(missing));
      if (refused.length === 0) return true;
      const open = new Set(refused.flatMap(({ keys }) => keys));
      const there = await known([...open]);
      missing = missing.filter(({ key }) => open.has(key) && !there.has(key));
      return false;
    }, 'record the same jobs');
  };

  const list: JobHistory['list'] = async (filter, { limit, after }) => {
    const last = after === undefined ? undefined : await find(jobKey(filter.tenant, after));
    if (after !== undefined && last === undefined) return { jobs: [], hasMore: false };
    const wanted = (job: JobEnded) => isWanted(job, filter) && (last === undefined || compare(job, last) > 0);
    const within = spanWithin(filter.from, filter.before);
    const notAfter = last === undefined ? [] : [{ earliest: { $lte: last.finishedAt } }];
    const cursor = history
      .find({ $and: [{ tenant: filter.tenant }, within, ...notAfter] }, { text: 1, latest: 1 })
      .sort({ latest: -1, _id: -1 })
      .lean()
      .cursor({ batchSize });
    let found: JobEnded[] = [];
    try {
      for await (const block of cursor) {
        // One more than asked for tells that there are more; nothing that comes now is newer than this block.
        if (found.length > limit && found.at(-1)!.finishedAt > block.latest) break;
        found = [...found, ...jobsOf(block).filter(wanted)].sort(compare).slice(0, limit + 1);
      }
    } finally {
      await cursor.close();
    }
    return { jobs: found.slice(0, limit), hasMore: found.length > limit };
  };

  return {
    record: (jobs) => call(() => record(jobs)),
    get: (key) => call(() => find(key)),
    list: (filter, page) => call(() => list(filter, page)),
  };
}

function isWanted({ state, finishedAt }: JobEnded, { states, from, before }: HistoryFilter): boolean {
  return (
    (states === undefined || states.includes(state)) &&
    (from === undefined || finishedAt >= from) &&
    (before === undefined || finishedAt < before)
  );
}
