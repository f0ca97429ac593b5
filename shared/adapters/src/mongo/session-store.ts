/** SessionStore over MongoDB: every change is one conditional update of one document. */
import type { SessionRecord } from '@inkwell/contracts';
import type { SessionStore } from '@inkwell/ports';
import type { MongoConnection } from './connection.ts';
import type { SessionDocument } from './schema.ts';

export function createSessionStore({ sessions, call }: MongoConnection): SessionStore {
  const get = async (id: string) => {
    const found = await sessions.findOne({ _id: id }).lean();
    return found === null ? undefined : toRecord(found);
  };
  const revoke = async (id: string, at: number) =>
    (await sessions.updateOne({ _id: id, revokedAt: null }, { $set: { revokedAt: at } })).modifiedCount === 1;
  return {
    create: ({ id, ...rest }) =>
      call(async () => {
        await sessions.insertMany([{ _id: id, ...rest }]);
      }),

    get: (id) => call(() => get(id)),

    rotate: (id, { generation, secretHash, nextSecretHash, at, expiresAt }) =>
      call(async () => {
        const held = { _id: id, generation, secretHash, revokedAt: null, expiresAt: { $gt: at } };
        const next = { secretHash: nextSecretHash, generation: generation + 1, lastUsedAt: at, expiresAt };
        const before = await sessions.findOneAndUpdate(held, { $set: next }, { returnDocument: 'before' }).lean();
        if (before !== null) return { outcome: 'rotated', session: { ...toRecord(before), ...next } };
        const session = await get(id);
        if (!session || session.expiresAt <= at || !(await revoke(id, at))) return { outcome: 'ended' };
        return { outcome: 'reused', session: { ...session, revokedAt: at } };
      }),

    revoke: (id, at) => call(() => revoke(id, at)),

    listLive: (userId, now) =>
      call(async () => {
        const filter = { userId, revokedAt: null, expiresAt: { $gt: now } };
        return (await sessions.find(filter).sort({ createdAt: -1, _id: 1 }).lean()).map(toRecord);
      }),

    pruneSessions: (expiredBefore) =>
      call(async () => (await sessions.deleteMany({ expiresAt: { $lt: expiredBefore } })).deletedCount),
  };
}

function toRecord({ _id, ...rest }: SessionDocument): SessionRecord {
  return { id: _id, ...rest };
}
