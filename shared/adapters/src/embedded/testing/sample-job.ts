/** A plain job for the embedded store's own tests. */
import { jobKey, type NewJob, neutralSampling } from '@inkwell/contracts';
import type { QueueLimits } from '@inkwell/ports';

export const noLimits: QueueLimits = { maxQueued: 1_000_000, maxQueuedPerTenant: 1_000_000 };

export function sampleJob(tenant: string, id: string, changes: Partial<NewJob> = {}): NewJob {
  return {
    tenant,
    id,
    key: jobKey(tenant, id),
    state: 'queued',
    priority: 'standard',
    spec: {
      model: 'tiny',
      prompts: [Array.from({ length: 30 }, (_, index) => index)],
      maxTokens: 100,
      n: 1,
      bestOf: 1,
      sampling: neutralSampling,
      stop: [],
      logprobs: null,
      echo: false,
      ignoreEos: false,
    },
    metadata: {},
    costTokens: 130,
    createdAt: Date.now(),
    startedAt: null,
    finishedAt: null,
    deadlineAt: null,
    onDisconnect: 'continue',
    attempts: 0,
    requestHash: 'hash',
    createdBy: 'key_1',
    requestId: 'req_1',
    result: null,
    error: null,
    ...changes,
  };
}
