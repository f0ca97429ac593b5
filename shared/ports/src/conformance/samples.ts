/** Jobs, events and messages for the suites: complete, valid and different where a test says so. */
import { randomUUID } from 'node:crypto';
import {
  type Fact,
  type JobEnded,
  type JobKey,
  type JobMessage,
  type JobOutcome,
  type JobResult,
  jobKey,
  type NewJob,
  type NewJobEvent,
  neutralSampling,
  type TerminalState,
} from '@inkwell/contracts';
import type { QueueLimits } from '../job-store.ts';

export const noLimits: QueueLimits = { maxQueued: 1_000_000, maxQueuedPerTenant: 1_000_000 };

export function newJob(tenant: string, changes: Partial<NewJob> = {}): NewJob {
  const id = changes.id ?? `job_${randomUUID()}`;
  return {
    tenant,
    id,
    key: jobKey(tenant, id),
    state: 'queued',
    priority: 'standard',
    spec: {
      model: 'tiny',
      prompts: [[1, 2, 3], [50256]],
      maxTokens: 16,
      n: 1,
      bestOf: 1,
      sampling: { ...neutralSampling, temperature: 0.7, logitBias: { '50256': -100 }, seed: 7 },
      stop: ['\n', '"quoted" é 💡'],
      logprobs: null,
      echo: false,
      ignoreEos: false,
    },
    metadata: {},
    costTokens: 36,
    createdAt: 1_700_000_000_000.25,
    startedAt: null,
    finishedAt: null,
    deadlineAt: null,
    onDisconnect: 'continue',
    attempts: 0,
    requestHash: 'a'.repeat(64),
    createdBy: 'key_1',
    requestId: 'req_1',
    result: null,
    error: null,
    ...changes,
  };
}

export function newKey(tenant: string): JobKey {
  return jobKey(tenant, `job_${randomUUID()}`);
}

export const result: JobResult = {
  choices: [{ text: 'Call me Ishmael — 💡', index: 0, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 },
};

function outcome(state: TerminalState): JobOutcome {
  return { state, result, error: null, finishedAt: 1_700_000_009_000 };
}

export const queued: NewJobEvent = { type: 'job.queued', at: 1_700_000_000_000.5 };

export function delta(text: string): NewJobEvent {
  return {
    type: 'job.delta',
    at: 1_700_000_001_000,
    index: 0,
    delta: text,
    tokens: [text.length, 50256],
    logprobs: { tokens: [text], token_logprobs: [-0.25], top_logprobs: [null], text_offset: [0] },
    finishReason: null,
  };
}

export function terminal(state: TerminalState): NewJobEvent {
  return { type: `job.${state}`, at: 1_700_000_009_000, outcome: outcome(state) };
}

export function message(tenant: string, id = `job_${randomUUID()}`): JobMessage {
  return {
    version: 1,
    key: jobKey(tenant, id),
    tenant,
    model: 'tiny',
    priority: 'interactive',
    costTokens: 36,
    createdAt: 1_700_000_000_000,
    deadlineAt: null,
  };
}

export function fact(subject: string, changes: Partial<Fact> = {}): Fact {
  const base = { version: 1, id: randomUUID(), kind: 'job.ended', at: 1_700_000_000_000, body: {} } as const;
  return { ...base, subject, ...changes };
}

export function endedJob(tenant: string, id: string, changes: Partial<JobEnded> = {}): JobEnded {
  return {
    key: jobKey(tenant, id),
    tenant,
    jobId: id,
    keyId: 'key_1',
    userId: null,
    actor: { kind: 'key', id: 'key_1' },
    ip: '::1',
    requestId: 'req_1',
    model: 'tiny',
    priority: 'batch',
    state: 'completed',
    reason: null,
    usage: { promptTokens: 3, completionTokens: 0 },
    attempts: 2,
    createdAt: 1_700_000_000_000.25,
    startedAt: null,
    finishedAt: 1_700_000_001_000,
    ...changes,
  };
}
