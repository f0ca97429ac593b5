/**
 * AuditLog over MongoDB. Entries that are appended together are one document, a block, whose id is the number of its first entry; so of two who append at
 * once one is refused, reads again and chains anew: no lock, and no writer who comes too late fits in. The ids of its facts are unique
 * over all blocks, so the same refusal tells of events that are there already, and they are looked for only when there is reason to. A block is
 * there whole or not at all. The head is a document of another collection.
 */
import {
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
  chainPiece,
  emptyHead,
  readChainPiece,
} from '@inkwell/contracts';
import type { AuditFilter, AuditLog } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import { knownAmong } from './known-among.ts';
import { chunksOf, firstOfEach } from './lists.ts';
import type { AuditBlock, AuditKind } from './recorder-schema.ts';
import { spanOf, spanWithin } from './span.ts';
import { untilAccepted } from './until-accepted.ts';

/** Blocks are read whole, also for one entry. */
const mostEntriesPerBlock = 500;
/** Blocks fetched at once: many, where little was appended at a time. */
const batchSize = 16;
/** About as many ids of facts we appended ourselves are kept in mind: a job's creation is told again at its end. */
const mostRemembered = 50_000;

const kindFields = ['tenant', 'actor', 'keyId', 'action', 'outcome'] as const satisfies (keyof AuditKind)[];

function kindOf({ tenant, actor, keyId, action, outcome }: AuditRecord): AuditKind {
  return { tenant, actor: actor.id, keyId, action, outcome };
}

const isSame = (one: AuditKind, other: AuditKind) => kindFields.every((field) => one[field] === other[field]);

/** Each once. Most are as the one before. */
function kindsOf(records: readonly AuditRecord[]): AuditKind[] {
  const changes: AuditKind[] = [];
  for (const kind of records.map(kindOf)) {
    const last = changes.at(-1);
    if (last === undefined || !isSame(last, kind)) changes.push(kind);
  }
  return firstOfEach(changes, (kind) => JSON.stringify(kind));
}

function toBlock(before: AuditHead, records: readonly AuditRecord[]): AuditBlock {
  const { text, last } = chainPiece(before, records);
  return {
    _id: before.seq + 1,
    last: last.seq,
    hash: last.hash,
    ...spanOf(records.map(({ at }) => at)),
    factIds: records.map(({ factId }) => factId),
    kinds: kindsOf(records),
    text: Buffer.from(text),
  };
}

function entriesOf({ text, last, hash }: Pick<AuditBlock, 'text' | 'last' | 'hash'>): AuditEntry[] {
  return readChainPiece({ text: text.toString('utf8'), last: { seq: last, hash } });
}

/** What of a filter is asked of entries for being equal. */
function equalsOf({ from: _from, before: _before, ...equal }: AuditFilter): [keyof AuditKind, string][] {
  return Object.entries(equal).filter(([, value]) => value !== undefined) as [keyof AuditKind, string][];
}

/** Blocks in which something may match, numbered as `place` says. */
function blocksWith(filter: AuditFilter, place: object): Record<string, unknown> {
  const equals = equalsOf(filter);
  const kinds = equals.length === 0 ? {} : { kinds: { $elemMatch: Object.fromEntries(equals) } };
  return { ...kinds, ...spanWithin(filter.from, filter.before), ...place };
}

function isWanted(entry: AuditEntry, filter: AuditFilter): boolean {
  const kind = kindOf(entry);
  const { from = Number.NEGATIVE_INFINITY, before = Number.POSITIVE_INFINITY } = filter;
  return entry.at >= from && entry.at < before && equalsOf(filter).every(([field, value]) => kind[field] === value);
}

export function createAuditLog({ audit, auditHeads, call }: MongoConnection): AuditLog {
  const head = async (): Promise<AuditHead> => {
    const noted = await auditHeads.findById('head').lean();
    return noted === null ? emptyHead : { seq: noted.seq, hash: noted.hash };
  };

  /**
   * The newest entry: the head that is noted, unless a writer died before it noted its own. Should the entries have been cut behind our back,
   * it is the head all the same, so that the gap shows.
   */
  const newest = async (): Promise<AuditHead> => {
    const noted = await head();
    if ((await audit.findById(noted.seq + 1, { _id: 1 }).lean()) === null) return noted;
    const block = await audit.findOne({}, { last: 1, hash: 1 }).sort({ _id: -1 }).lean();
    return block === null || noted.seq > block.last ? noted : { seq: block.last, hash: block.hash };
  };

  const note = async ({ seq, hash }: AuditHead): Promise<void> => {
    try {
      await auditHeads.updateOne({ _id: 'head', seq: { $lt: seq } }, { $set: { seq, hash } }, { upsert: true });
    } catch (error) {
      // Somebody noted a later one.
      if (!isDuplicate(error)) throw error;
    }
  };

  const known = (records: readonly AuditRecord[]): Promise<Set<string>> =>
    knownAmong(
      records.map(({ factId }) => factId),
      async (ids) => {
        const blocks = await audit.find({ factIds: { $in: ids } }, { factIds: 1 }).lean();
        return blocks.flatMap(({ factIds }) => factIds);
      },
    );

  // Two halves, of which the older one goes whole: taking the oldest out of a set one by one costs more than all looks into it.
  let [own, older] = [new Set<string>(), new Set<string>()];
  const isOwn = ({ factId }: AuditRecord) => own.has(factId) || older.has(factId);
  const remember = (records: readonly AuditRecord[]): void => {
    if (own.size >= mostRemembered / 2) [own, older] = [new Set(), own];
    for (const { factId } of records) own.add(factId);
  };

  /** Whether records may be in the store without our knowledge: after a start, and as long as some turn out to be. */
  let doubtful = true;

  /** False when one of the records was there, or somebody else appended meanwhile. Rejected or refused, it may have appended the first ones. */
  const tryToAppend = async (records: readonly AuditRecord[]): Promise<boolean> => {
    const there = doubtful ? await known(records) : new Set();
    doubtful = true;
    const missing = records.filter(({ factId }) => !there.has(factId));
    let last = await newest();
    let complete = true;
    for (const chunk of chunksOf(missing, mostEntriesPerBlock)) {
      const block = toBlock(last, chunk);
      try {
        await audit.collection.insertOne(block as never);
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        complete = false;
        break;
      }
      last = { seq: block.last, hash: block.hash };
    }
    // Also for entries whose writer died before it could.
    if (last.seq > 0) await note(last);
    doubtful = !complete || there.size > 0;
    return complete;
  };

  const append = async (records: readonly AuditRecord[]): Promise<void> => {
    const fresh = firstOfEach(records, ({ factId }) => factId).filter((record) => !isOwn(record));
    if (fresh.length === 0) return;
    await untilAccepted(() => tryToAppend(fresh), 'append to the audit log');
    remember(fresh);
  };

  /** Entries of the blocks at this place in the order of their numbers, or against it, that match and are `within`. */
  const find = async (
    filter: AuditFilter,
    { place, order, limit, within }: { place: object; order: 1 | -1; limit: number; within(seq: number): boolean },
  ): Promise<AuditEntry[]> => {
    const found: AuditEntry[] = [];
    const cursor = audit
      .find(blocksWith(filter, place), { text: 1, last: 1, hash: 1 })
      .sort({ _id: order })
      .lean()
      .cursor({ batchSize: Math.min(batchSize, limit) });
    try {
      for await (const block of cursor) {
        const entries = entriesOf(block).filter((entry) => within(entry.seq) && isWanted(entry, filter));
        found.push(...(order === 1 ? entries : entries.reverse()));
        if (found.length >= limit) break;
      }
    } finally {
      await cursor.close();
    }
    return found.slice(0, limit);
  };

  return {
    append: (records) => call(() => append(records)),

    list: (filter, { limit, beforeSeq = Number.MAX_SAFE_INTEGER }) => {
      const place = { _id: { $lt: beforeSeq } };
      return call(() => find(filter, { place, order: -1, limit, within: (seq) => seq < beforeSeq }));
    },

    read: (filter, { limit, afterSeq }) => {
      // A block is no longer than that; so its id bounds the search from below.
      const place = { _id: { $gt: afterSeq - mostEntriesPerBlock }, last: { $gt: afterSeq } };
      return call(() => find(filter, { place, order: 1, limit, within: (seq) => seq > afterSeq }));
    },

    head: () => call(head),
  };
}
