/**
 * What is kept in MongoDB, with its indexes. What clients name freely (metadata, logit biases) is kept as JSON text: a name may hold any
 * character there, also those that mean something in field paths.
 */
import type { ApiKeyRecord, JobState, Priority, Revocation, SessionRecord, UserRecord } from '@inkwell/contracts';
import { Schema } from 'mongoose';

/** A change of a job's state that the ledger may not have counted yet. Who holds the stamp (`epoch`) may count it; see ledger.ts. */
export interface Move {
  epoch: number;
  /** null: the job arrives. */
  from: JobState | null;
  to: JobState;
}

export interface JobDocument {
  /** The job's key. */
  _id: string;
  tenant: string;
  id: string;
  /** `arriving`: not admitted yet; nobody may see it. */
  state: JobState | 'arriving';
  priority: Priority;
  createdAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  attempts: number;
  ordinal: number;
  /** Highest that wrote. */
  fence: number;
  /** JSON of the fields that never change. */
  fixed: string;
  /** JSON. */
  result: string;
  /** JSON. */
  error: string;
  /** JSON of [name, value], one per metadata pair. */
  pairs: string[];
  /** How many moves there are in `moves`. */
  pending: number;
  /** When the latest move was made, by that process's clock (Unix ms). Only says when to look after it. */
  movedAt: number;
  moves: Record<string, Move>;
}

export interface LedgerDocument {
  _id: 'ledger';
  epoch: number;
  /** All queued jobs. */
  total: number;
  queued: Record<Priority, number>;
  inProgress: number;
  departed: Record<Priority, number>;
  ordinal: Record<Priority, number>;
  /** Queued jobs by tenant, under `tenantField`. */
  tenants: Record<string, number>;
  /** Moves that are counted but may still be named in their job, by id. */
  open: Record<string, { epoch: number; key: string }>;
}

/** Fields that came with later versions may be missing; limits are JSON text. */
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
const mixed = { type: Schema.Types.Mixed, ...required };
const mixedOrNull = { type: Schema.Types.Mixed, default: null };

export const jobSchema = new Schema<JobDocument>(
  {
    _id: text,
    tenant: text,
    id: text,
    state: text,
    priority: text,
    createdAt: number,
    startedAt: Number,
    finishedAt: Number,
    attempts: number,
    ordinal: number,
    fence: number,
    fixed: text,
    result: text,
    error: text,
    pairs: [String],
    pending: number,
    movedAt: number,
    moves: mixed,
  },
  { ...options, collection: 'jobs' },
);
jobSchema.index({ tenant: 1, createdAt: -1, _id: -1 });
jobSchema.index({ tenant: 1, pairs: 1, createdAt: -1, _id: -1 });
jobSchema.index({ state: 1, createdAt: 1 });
jobSchema.index({ finishedAt: 1 });
jobSchema.index({ pending: 1, movedAt: 1 });

export const ledgerSchema = new Schema<LedgerDocument>(
  {
    _id: text,
    epoch: number,
    total: number,
    queued: mixed,
    inProgress: number,
    departed: mixed,
    ordinal: mixed,
    tenants: mixed,
    open: mixed,
  },
  { ...options, collection: 'ledger' },
);

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
