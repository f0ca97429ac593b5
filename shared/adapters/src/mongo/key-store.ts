/** KeyStore over MongoDB: one document per key; unique indexes on id and hash decide who was first. */
import { type ApiKeyPatch, type ApiKeyRecord, type LimitOverrides, unrestrictedKey } from '@inkwell/contracts';
import type { KeyStore } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import type { KeyDocument } from './schema.ts';

export function createKeyStore({ keys, call }: MongoConnection): KeyStore {
  const get = async (id: string) => {
    const found = await keys.findOne({ _id: id }).lean();
    return found === null ? undefined : toRecord(found);
  };
  return {
    create: ({ id, limits, ...rest }) =>
      call(async () => {
        try {
          await keys.insertMany([{ _id: id, limits: limits && JSON.stringify(limits), ...rest }]);
          return 'created';
        } catch (error) {
          if (isDuplicate(error)) return 'exists';
          throw error;
        }
      }),

    get: (id) => call(() => get(id)),

    findByHash: (hash) =>
      call(async () => {
        const found = (await keys.findOne({ hash }).lean()) ?? (await keys.findOne({ previousHash: hash }).lean());
        return found === null ? undefined : toRecord(found);
      }),

    list: (tenant) =>
      call(async () => {
        const filter = tenant === undefined ? {} : { tenant };
        return (await keys.find(filter).sort({ createdAt: 1, _id: 1 }).lean()).map(toRecord);
      }),

    update: (id, patch) =>
      call(async () => {
        const $set = toFields(patch);
        const filter = { _id: id, revokedAt: null };
        // An empty $set is refused by servers; then it is enough to see that the key is there.
        const matched =
          Object.keys($set).length > 0
            ? (await keys.updateOne(filter, { $set })).matchedCount
            : await keys.countDocuments(filter);
        return matched === 1 ? get(id) : undefined;
      }),

    rotate: (id, hash, { hash: nextHash, prefix, previousUntil }) =>
      call(async () => {
        const $set = { hash: nextHash, prefix, previousHash: hash, previousUntil };
        const answer = await keys.updateOne({ _id: id, hash, revokedAt: null }, { $set });
        return answer.modifiedCount === 1 ? get(id) : undefined;
      }),

    revoke: (id, at) =>
      call(async () => {
        const answer = await keys.updateOne({ _id: id, revokedAt: null }, { $set: { revokedAt: at } });
        return answer.modifiedCount === 1;
      }),

    recordUses: (uses) =>
      call(async () => {
        await Promise.all(
          uses.map(({ id, count, lastUsedAt }) =>
            keys.updateOne({ _id: id }, { $inc: { usageCount: count }, $max: { lastUsedAt } }),
          ),
        );
      }),
  };
}

function toFields({ limits, ...rest }: ApiKeyPatch): Partial<KeyDocument> {
  return limits === undefined ? rest : { ...rest, limits: limits && JSON.stringify(limits) };
}

function toRecord({ _id, limits, ...rest }: KeyDocument): ApiKeyRecord {
  return { ...unrestrictedKey, id: _id, ...rest, limits: limits ? (JSON.parse(limits) as LimitOverrides) : null };
}
