/**
 * The fact that a job ended, made from its record alone: whoever tells it, and however often, it is the same. Holds what is billed and what is
 * worth knowing later; no prompt and no text.
 */
import { z } from 'zod';
import type { Fact } from './fact.ts';
import { isTerminal, type JobKey, type JobRecord, priorities, terminalStates } from './job.ts';

const count = z.int().min(0);
const moment = z.number();

export const jobEndedSchema = z.strictObject({
  key: z
    .string()
    .min(3)
    .transform((value) => value as JobKey),
  tenant: z.string().min(1),
  jobId: z.string().min(1),
  /** API key that created it; null when none was used. */
  keyId: z.string().nullable(),
  userId: z.string().nullable(),
  actor: z.strictObject({ kind: z.enum(['key', 'user', 'local', 'system']), id: z.string() }),
  ip: z.string().nullable(),
  requestId: z.string(),
  model: z.string(),
  priority: z.enum(priorities),
  state: z.enum(terminalStates),
  /** Code of the error it ended with. */
  reason: z.string().nullable(),
  usage: z.strictObject({ promptTokens: count, completionTokens: count }),
  attempts: count,
  /** Unix milliseconds, as all times here. */
  createdAt: moment,
  startedAt: moment.nullable(),
  finishedAt: moment,
  /** Called now that it has ended. */
  webhook: z.string().optional(),
});

export type JobEnded = z.output<typeof jobEndedSchema>;

/** What is known of who created a job. */
export function creatorOf({ createdBy, origin }: JobRecord): Pick<JobEnded, 'keyId' | 'userId' | 'actor' | 'ip'> {
  const keyId = createdBy === '' ? null : createdBy;
  const { actor, userId, ip } = origin ?? { actor: { kind: 'key', id: createdBy } as const, userId: null, ip: null };
  return { keyId, userId, actor, ip };
}

/** Throws an Error when the job hasn't ended: that is a mistake of the caller. */
export function jobEndedFact(record: JobRecord): Fact {
  const { key, state, finishedAt, result } = record;
  if (!isTerminal(state) || finishedAt === null) throw new Error(`job ${key} has not ended`);
  const body: JobEnded = {
    key,
    tenant: record.tenant,
    jobId: record.id,
    ...creatorOf(record),
    requestId: record.requestId,
    model: record.spec.model,
    priority: record.priority,
    state,
    reason: record.error?.code ?? null,
    usage: {
      promptTokens: result?.usage.prompt_tokens ?? 0,
      completionTokens: result?.usage.completion_tokens ?? 0,
    },
    attempts: record.attempts,
    createdAt: record.createdAt,
    startedAt: record.startedAt,
    finishedAt,
    ...(record.webhook !== undefined && { webhook: record.webhook }),
  };
  return { version: 1, id: `job.ended:${key}`, kind: 'job.ended', subject: key, at: finishedAt, body };
}
