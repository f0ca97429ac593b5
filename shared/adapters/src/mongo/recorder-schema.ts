/**
 * What the recorder keeps in MongoDB, with its indexes. What a recorder writes at once stands together: many entries or jobs make one document, whose
 * text only we read and whose other fields find it. Unique ids are what makes facts count once; nothing expires by itself.
 */
import type { AuditEntry, JobEnded } from '@inkwell/contracts';
import type { ClaimedWebhook } from '@inkwell/ports';
import { type mongo, Schema, type Types } from 'mongoose';

/**
 * JSON in UTF-8 that the database has no reason to look into. A server that is written in Java makes strings of strings, which costs it as much as all the rest
 * of a block. In mongosh: `text.toString('utf8')`.
 */
type Text = Buffer | mongo.Binary;

/** Who did what how, in one block or more. */
export type AuditKind = Pick<AuditEntry, 'keyId' | 'tenant' | 'action' | 'outcome'> & { actor: string };

/** A piece of the chain. */
export interface AuditBlock {
  /** Number of its first entry. */
  _id: number;
  /** Number and hash of its last entry. */
  last: number;
  hash: string;
  /** Times of its entries, Unix milliseconds. */
  earliest: number;
  latest: number;
  factIds: string[];
  /** Each once. */
  kinds: AuditKind[];
  /** As it is hashed. */
  text: Text;
}

export interface AuditHeadDocument {
  _id: string;
  seq: number;
  hash: string;
}

/** What some jobs used together. */
export interface UseSum {
  key: string | null;
  user: string | null;
  model: string;
  requests: number;
  promptTokens: number;
  completionTokens: number;
}

/** Jobs of one tenant that ended in the same hour. */
export interface HistoryBlock {
  _id: Types.ObjectId;
  tenant: string;
  /** Its start, Unix milliseconds. */
  hour: number;
  /** Of the ends. */
  earliest: number;
  latest: number;
  keys: JobEnded['key'][];
  use: UseSum[];
  /** JSON of the jobs. */
  text: Text;
}

/** `_id` is the message's. */
export type WebhookDocument = Omit<ClaimedWebhook, 'id'> & { _id: string; dueAt: number; endedAt: number | null };

const options = { versionKey: false, minimize: false, _id: false } as const;
const text = { type: String, required: true } as const;
const bytes = { type: Buffer, required: true } as const;
const number = { type: Number, required: true } as const;

export const auditSchema = new Schema<AuditBlock>(
  {
    _id: number,
    last: number,
    hash: text,
    earliest: number,
    latest: number,
    factIds: [String],
    kinds: { type: Schema.Types.Mixed, required: true },
    text: bytes,
  },
  { ...options, collection: 'auditBlocks' },
);
auditSchema.index({ factIds: 1 }, { unique: true });
for (const field of ['tenant', 'actor', 'keyId', 'action']) auditSchema.index({ [`kinds.${field}`]: 1, _id: -1 });
auditSchema.index({ latest: 1, earliest: 1 });

export const auditHeadSchema = new Schema<AuditHeadDocument>(
  { _id: text, seq: number, hash: text },
  { ...options, collection: 'auditHead' },
);

export const historySchema = new Schema<HistoryBlock>(
  {
    _id: { type: Schema.Types.ObjectId, required: true },
    tenant: text,
    hour: number,
    earliest: number,
    latest: number,
    keys: [String],
    use: { type: Schema.Types.Mixed, required: true },
    text: bytes,
  },
  { ...options, collection: 'historyBlocks' },
);
historySchema.index({ keys: 1 }, { unique: true });
historySchema.index({ tenant: 1, latest: -1, _id: -1 });
historySchema.index({ hour: 1 });

export const webhookSchema = new Schema<WebhookDocument>(
  {
    _id: text,
    tenant: text,
    url: { type: String, default: '' },
    body: { type: String, default: '' },
    createdAt: number,
    tries: number,
    dueAt: number,
    endedAt: Number,
  },
  { ...options, collection: 'webhooks' },
);
webhookSchema.index({ endedAt: 1, dueAt: 1 });
