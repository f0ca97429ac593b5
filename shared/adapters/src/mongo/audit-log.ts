/**
 * AuditLog over MongoDB. An entry's number is its document's id and its fact's id is unique, so of two who append at once one is refused at the
 * first number, reads again and chains anew: no lock, and no writer who comes too late fits in. The head is a document of another collection.
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

  const unknown = async (records: readonly AuditRecord[]): Promise<AuditRecord[]> => {
    const unique = new Map(records.map((record) => [record.factId, record]));
    const known = await audit.find({ factId: { $in: [...unique.keys()] } }, { factId: 1 }).lean();
    for (const { factId } of known) unique.delete(factId);
    return [...unique.values()];
  };

  /** False when somebody else appended meanwhile. */
  const tryToAppend = async (records: readonly AuditRecord[]): Promise<boolean> => {
    const fresh = await unknown(records);
    const base = await newest();
    const entries = chainAfter(base, fresh);
    if (entries.length > 0) {
      try {
        await audit.collection.insertMany(entries.map(toDocument) as never[], { ordered: true });
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    }
    const last = entries.at(-1) ?? base;
    // Also for entries whose writer died before it could.
    if (last.seq > 0) await note({ seq: last.seq, hash: last.hash });
    return true;
  };

  return {
    append: (records) =>
      call(async () => {
        if (records.length === 0) return;
        for (let tries = 0; tries < maxTries; tries++) {
          if (await tryToAppend(records)) return;
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
