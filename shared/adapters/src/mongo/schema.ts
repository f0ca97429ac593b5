/** What is kept in MongoDB, with its indexes. */
import type { ApiKeyRecord, Revocation, SessionRecord, UserRecord } from '@inkwell/contracts';
import { Schema } from 'mongoose';

export type KeyDocument = Omit<ApiKeyRecord, 'id' | 'limits'> & { _id: string; limits: string | null };

/**
 * What must exist once and may be absent is kept in a field of its own that is left out where it does not count: not every server has partial
 * indexes, all have sparse ones.
 */
export type UserDocument = Omit<UserRecord, 'id' | 'limits' | 'githubId'> & {
  _id: string;
  limits: string | null;
  verifiedEmail?: string;
  githubId?: string;
};

export type SessionDocument = Omit<SessionRecord, 'id'> & { _id: string };
export type RevocationDocument = Omit<Revocation, 'subject'> & { _id: string };

export interface AttemptDocument {
  _id: string;
  tries: number;
  nextAt: number;
  expiresAt: number;
}

export interface UsedOnceDocument {
  _id: string;
  expiresAt: number;
}

const options = { versionKey: false, minimize: false, _id: false } as const;
const required = { required: true } as const;
const text = { type: String, ...required };
const number = { type: Number, ...required };
const mixedOrNull = { type: Schema.Types.Mixed, default: null };

export const keySchema = new Schema<KeyDocument>(
  {
    _id: text,
    hash: text,
    prefix: text,
    name: { type: String, default: '' },
    tenant: text,
    role: text,
    createdAt: number,
    expiresAt: Number,
    revokedAt: Number,
    userId: String,
    scopes: mixedOrNull,
    models: mixedOrNull,
    allowedIps: mixedOrNull,
    limits: String,
    signed: Boolean,
    previousHash: String,
    previousUntil: Number,
    lastUsedAt: Number,
    usageCount: Number,
  },
  { ...options, collection: 'keys' },
);
keySchema.index({ previousHash: 1 });
keySchema.index({ hash: 1 }, { unique: true });
keySchema.index({ createdAt: 1, _id: 1 });
keySchema.index({ tenant: 1, createdAt: 1, _id: 1 });

export const userSchema = new Schema<UserDocument>(
  {
    _id: text,
    username: text,
    email: String,
    emailVerified: { type: Boolean, ...required },
    verifiedEmail: String,
    tenant: text,
    role: text,
    passwordHash: String,
    githubId: String,
    limits: String,
    createdAt: number,
    disabledAt: Number,
  },
  { ...options, collection: 'users' },
);
userSchema.index({ username: 1 }, { unique: true });
userSchema.index({ verifiedEmail: 1 }, { unique: true, sparse: true });
userSchema.index({ githubId: 1 }, { unique: true, sparse: true });
userSchema.index({ createdAt: 1, _id: 1 });

export const sessionSchema = new Schema<SessionDocument>(
  {
    _id: text,
    userId: text,
    kind: text,
    secretHash: text,
    generation: number,
    createdAt: number,
    lastUsedAt: number,
    expiresAt: number,
    revokedAt: Number,
    ip: { type: String, default: '' },
    userAgent: { type: String, default: '' },
  },
  { ...options, collection: 'sessions' },
);
sessionSchema.index({ userId: 1, createdAt: -1 });
sessionSchema.index({ expiresAt: 1 });

export const revocationSchema = new Schema<RevocationDocument>(
  { _id: text, at: number, expiresAt: number },
  { ...options, collection: 'revocations' },
);
revocationSchema.index({ at: 1 });
revocationSchema.index({ expiresAt: 1 });

export const attemptSchema = new Schema<AttemptDocument>(
  { _id: text, tries: number, nextAt: number, expiresAt: number },
  { ...options, collection: 'attempts' },
);
attemptSchema.index({ expiresAt: 1 });

export const usedOnceSchema = new Schema<UsedOnceDocument>(
  { _id: text, expiresAt: number },
  { ...options, collection: 'usedOnce' },
);
usedOnceSchema.index({ expiresAt: 1 });
