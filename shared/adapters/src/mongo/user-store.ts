/** UserStore over MongoDB: one document per person; unique indexes decide who was first. */
import type { LimitOverrides, UserPatch, UserRecord } from '@inkwell/contracts';
import type { UserConflict, UserStore } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import type { UserDocument } from './schema.ts';

export function createUserStore({ users, call }: MongoConnection): UserStore {
  const findOne = (filter: Partial<UserDocument>) =>
    call(async () => {
      const found = await users.findOne(filter).lean();
      return found === null ? undefined : toRecord(found);
    });
  return {
    create: (user) =>
      call(async () => {
        try {
          await users.insertMany([toDocument(user)]);
          return 'created';
        } catch (error) {
          return conflictOf(error);
        }
      }),

    get: (id) => findOne({ _id: id }),
    findByUsername: (username) => findOne({ username }),
    findByVerifiedEmail: (verifiedEmail) => findOne({ verifiedEmail }),
    findByGithubId: (githubId) => findOne({ githubId }),

    update: (id, patch, expected = {}) =>
      call(async () => {
        for (;;) {
          const seen = await users.findOne({ _id: id }).lean();
          if (seen === null) return 'changed';
          const current = toRecord(seen);
          const names = Object.keys(expected) as (keyof UserPatch)[];
          if (names.some((name) => JSON.stringify(expected[name]) !== JSON.stringify(current[name]))) return 'changed';
          const next = { ...current, ...patch };
          try {
            const answer = await users.updateOne(asSeen(seen), changes(toDocument(next)));
            if (answer.matchedCount === 1) return next;
          } catch (error) {
            return conflictOf(error);
          }
          // Somebody changed it in between: look again.
        }
      }),

    list: ({ limit, after }) =>
      call(async () => {
        const last = after === undefined ? undefined : await users.findOne({ _id: after }).lean();
        if (last === null) return { users: [], hasMore: false };
        const filter = last && {
          $or: [{ createdAt: { $gt: last.createdAt } }, { createdAt: last.createdAt, _id: { $gt: last._id } }],
        };
        const found = await users
          .find(filter ?? {})
          .sort({ createdAt: 1, _id: 1 })
          .limit(limit + 1)
          .lean();
        return { users: found.slice(0, limit).map(toRecord), hasMore: found.length > limit };
      }),
  };
}

/** Matches the document only as it was read. */
function asSeen({ _id, role, email, emailVerified, passwordHash, githubId, limits, disabledAt }: UserDocument) {
  const github = githubId === undefined ? { $exists: false } : githubId;
  return { _id, role, email, emailVerified, passwordHash, limits, disabledAt, githubId: github };
}

function changes({ verifiedEmail, githubId, ...rest }: UserDocument) {
  const { _id, username: _name, tenant: _tenant, createdAt: _createdAt, ...fields } = rest;
  const $unset: Record<string, 1> = {};
  if (verifiedEmail === undefined) $unset.verifiedEmail = 1;
  if (githubId === undefined) $unset.githubId = 1;
  const $set = {
    ...fields,
    ...(verifiedEmail === undefined ? {} : { verifiedEmail }),
    ...(githubId === undefined ? {} : { githubId }),
  };
  return Object.keys($unset).length > 0 ? { $set, $unset } : { $set };
}

function conflictOf(error: unknown): UserConflict {
  if (!isDuplicate(error)) throw error;
  const message = error instanceof Error ? error.message : '';
  if (/username/.test(message)) return 'username';
  if (/verifiedEmail/.test(message)) return 'email';
  if (/githubId/.test(message)) return 'githubId';
  return 'id';
}

function toDocument({ id, limits, githubId, ...rest }: UserRecord): UserDocument {
  return {
    _id: id,
    ...rest,
    limits: limits && JSON.stringify(limits),
    ...(rest.email !== null && rest.emailVerified ? { verifiedEmail: rest.email } : {}),
    ...(githubId === null ? {} : { githubId }),
  };
}

function toRecord({ _id, limits, githubId, verifiedEmail: _, ...rest }: UserDocument): UserRecord {
  return {
    id: _id,
    ...rest,
    githubId: githubId ?? null,
    limits: limits ? (JSON.parse(limits) as LimitOverrides) : null,
  };
}
