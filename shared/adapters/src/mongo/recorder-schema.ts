/** What the recorder keeps in MongoDB, with its indexes. Unique ids are what makes facts count once; nothing expires by itself. */
import type { AuditEntry, JobEnded } from '@inkwell/contracts';
import type { ClaimedWebhook } from '@inkwell/ports';
import { Schema } from 'mongoose';

export type AuditDocument = Omit<AuditEntry, 'seq' | 'actor' | 'details'> & {
  /** The entry's number. */
  _id: number;
  actorKind: AuditEntry['actor']['kind'];
  actor: string;
  /** JSON. */
  details: string;
};

export interface AuditHeadDocument {
  _id: string;
  seq: number;
  hash: string;
}

/** `_id` is the job's key. */
export type HistoryDocument = Omit<JobEnded, 'key'> & { _id: string };

/** `_id` is the message's. */
export type WebhookDocument = Omit<ClaimedWebhook, 'id'> & { _id: string; dueAt: number; endedAt: number | null };

const options = { versionKey: false, minimize: false, _id: false } as const;
const text = { type: String, required: true } as const;
const number = { type: Number, required: true } as const;

export const auditSchema = new Schema<AuditDocument>(
  {
    _id: number,
    previous: text,
    hash: text,
    factId: text,
    at: number,
    actorKind: text,
    actor: text,
    keyId: String,
    tenant: String,
    action: text,
    resource: text,
    outcome: text,
    ip: String,
    requestId: String,
    reason: String,
    details: text,
  },
  { ...options, collection: 'audit' },
);
auditSchema.index({ factId: 1 }, { unique: true });
for (const field of ['tenant', 'actor', 'keyId', 'action', 'at']) auditSchema.index({ [field]: 1, _id: -1 });

export const auditHeadSchema = new Schema<AuditHeadDocument>(
  { _id: text, seq: number, hash: text },
  { ...options, collection: 'auditHead' },
);

export const historySchema = new Schema<HistoryDocument>(
  {
    _id: text,
    tenant: text,
    jobId: text,
    keyId: String,
    userId: String,
    actor: { type: Schema.Types.Mixed, required: true },
    ip: String,
    requestId: { type: String, default: '' },
    model: text,
    priority: text,
    state: text,
    reason: String,
    usage: { type: Schema.Types.Mixed, required: true },
    attempts: number,
    createdAt: number,
    startedAt: Number,
    finishedAt: number,
  },
  { ...options, collection: 'history' },
);
historySchema.index({ tenant: 1, finishedAt: -1, _id: -1 });
historySchema.index({ finishedAt: 1 });

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
