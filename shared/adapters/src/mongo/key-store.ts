/** KeyStore over MongoDB: one document per key; unique indexes on id and hash decide who was first. */
import type { ApiKeyRecord } from '@inkwell/contracts';
import type { KeyStore } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import type { KeyDocument } from './schema.ts';

export function createKeyStore({ keys, call }: MongoConnection): KeyStore {
  return {
    create: ({ id, ...rest }) =>
      call(async () => {
        try {
          await keys.insertMany([{ _id: id, ...rest }]);
          return 'created';
        } catch (error) {
          if (isDuplicate(error)) return 'exists';
          throw error;
        }
      }),

    findByHash: (hash) =>
      call(async () => {
        const found = await keys.findOne({ hash }).lean();
        return found === null ? undefined : toRecord(found);
      }),

    list: (tenant) =>
      call(async () => {
        const filter = tenant === undefined ? {} : { tenant };
        return (await keys.find(filter).sort({ createdAt: 1, _id: 1 }).lean()).map(toRecord);
      }),

    revoke: (id, at) =>
      call(async () => {
        const answer = await keys.updateOne({ _id: id, revokedAt: null }, { $set: { revokedAt: at } });
        return answer.modifiedCount === 1;
      }),
  };
}

function toRecord({ _id, ...rest }: KeyDocument): ApiKeyRecord {
  return { id: _id, ...rest };
}
