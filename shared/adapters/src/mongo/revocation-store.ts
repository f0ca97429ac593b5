/** RevocationStore over MongoDB: one document per subject; its times only grow. */
import type { RevokedSubject } from '@inkwell/contracts';
import type { RevocationStore } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';

export function createRevocationStore({ revocations, call }: MongoConnection): RevocationStore {
  return {
    add: ({ subject, at, expiresAt }) =>
      call(async () => {
        const grow = () => revocations.updateOne({ _id: subject }, { $max: { at, expiresAt } }, { upsert: true });
        try {
          await grow();
        } catch (error) {
          // Two inserted at once: the one that came late finds the document there now.
          if (!isDuplicate(error)) throw error;
          await grow();
        }
      }),

    since: (from, now) =>
      call(async () => {
        const found = await revocations.find({ at: { $gte: from }, expiresAt: { $gt: now } }).lean();
        return found.map(({ _id, at, expiresAt }) => ({ subject: _id as RevokedSubject, at, expiresAt }));
      }),

    pruneRevocations: (expiredBefore) =>
      call(async () => (await revocations.deleteMany({ expiresAt: { $lt: expiredBefore } })).deletedCount),
  };
}
