/**
 * AuditLog over MongoDB. An entry's number is its document's id and its fact's id is unique, so of two who append at once one is refused at the
 * first number, reads again and chains anew: no lock, and no writer who comes too late fits in. The same refusal tells of events that are there
 * already, so that they are looked for only when there is reason to. The head is a document of another collection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type AuditEntry, type AuditHead, type AuditRecord, chainAfter, emptyHead } from '@inkwell/contracts';
import type { AuditFilter, AuditLog } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import type { AuditDocument } from './recorder-schema.ts';
import { timeRange } from './time-range.ts';

/** Others who append at the same time; each try of ours means that one of them got on. */
const maxTries = 100;
const longestPauseMs = 20;
/** Ids of facts we appended ourselves that are kept in mind: a job's creation is told again at its end. */
const mostRemembered = 50_000;

function toDocument({ seq, details, actor, ...rest }: AuditEntry): AuditDocument {
  return { _id: seq, ...rest, actorKind: actor.kind, actor: actor.id, details: JSON.stringify(details) };
}

function toEntry({ _id, details, actorKind, actor, ...rest }: AuditDocument): AuditEntry {
  return { seq: _id, ...rest, actor: { kind: actorKind, id: actor }, details: JSON.parse(details) };
}

function where({ from, before, ...equal }: AuditFilter, seq: object): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined));
  return { ...given, ...timeRange('at', from, before), _id: seq };
}

/** How many documents an ordered insert wrote before it met a duplicate. Servers differ in what they count as inserted, not in where it failed. */
function insertedBefore(error: unknown): number {
  const { writeErrors = [] } = error as { writeErrors?: readonly { index: number }[] | { index: number } };
  return [writeErrors].flat()[0]?.index ?? 0;
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
    const last = await audit.findOne().sort({ _id: -1 }).lean();
    return last === null || noted.seq > last._id ? noted : { seq: last._id, hash: last.hash };
  };

  const note = async ({ seq, hash }: AuditHead): Promise<void> => {
    try {
      await auditHeads.updateOne({ _id: 'head', seq: { $lt: seq } }, { $set: { seq, hash } }, { upsert: true });
    } catch (error) {
      // Somebody noted a later one.
      if (!isDuplicate(error)) throw error;
    }
  };

  const known = async (records: readonly AuditRecord[]): Promise<Set<string>> => {
    const ids = records.map(({ factId }) => factId);
    const found = await audit.find({ factId: { $in: ids } }, { factId: 1 }).lean();
    return new Set(found.map(({ factId }) => factId));
  };

  const own = new Set<string>();
  const remember = (records: readonly AuditRecord[]): void => {
    for (const { factId } of records) own.add(factId);
    for (const oldest of own) {
      if (own.size <= mostRemembered) break;
      own.delete(oldest);
    }
  };

  /** Whether records may be in the store without our knowledge: after a start, and as long as some turn out to be. */
  let doubtful = true;

  /** False when one of the records was there, or somebody else appended meanwhile. Rejected halfway, it may have appended the first ones. */
  const tryToAppend = async (records: readonly AuditRecord[]): Promise<boolean> => {
    const there = doubtful ? await known(records) : new Set();
    const base = await newest();
    const entries = chainAfter(
      base,
      records.filter(({ factId }) => !there.has(factId)),
    );
    let last: AuditHead | undefined = entries.at(-1) ?? base;
    let complete = true;
    if (entries.length > 0) {
      try {
        await audit.collection.insertMany(entries.map(toDocument) as never[], { ordered: true });
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        complete = false;
        last = entries[insertedBefore(error) - 1];
      }
    }
    // Also for entries whose writer died before it could.
    if (last !== undefined && last.seq > 0) await note({ seq: last.seq, hash: last.hash });
    doubtful = !complete || there.size > 0;
    return complete;
  };

  return {
    append: (records) =>
      call(async () => {
        const unique = new Map(records.map((record) => [record.factId, record]));
        const fresh = [...unique.values()].filter(({ factId }) => !own.has(factId));
        if (fresh.length === 0) return;
        for (let tries = 0; tries < maxTries; tries++) {
          if (await tryToAppend(fresh)) {
            remember(fresh);
            return;
          }
          await delay(Math.random() * longestPauseMs);
        }
        throw new Error('too many append to the audit log at once');
      }),

    list: (filter, { limit, beforeSeq = Number.MAX_SAFE_INTEGER }) =>
      call(async () => {
        const found = await audit
          .find(where(filter, { $lt: beforeSeq }))
          .sort({ _id: -1 })
          .limit(limit)
          .lean();
        return found.map(toEntry);
      }),

    read: (filter, { limit, afterSeq }) =>
      call(async () => {
        const found = await audit
          .find(where(filter, { $gt: afterSeq }))
          .sort({ _id: 1 })
          .limit(limit)
          .lean();
        return found.map(toEntry);
      }),

    head: () => call(head),
  };
}
