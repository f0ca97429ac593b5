/**
 * From the fact that a job ended to the webhook its owner asked for. The message names the job and how it ended and holds neither prompt nor text: who
 * may read those fetches them with a key. Made from the fact alone, so a fact that comes twice makes the same message.
 */
import { createHash } from 'node:crypto';
import type { JobEnded } from '@inkwell/contracts';
import type { NewWebhook } from '@inkwell/ports';

const seconds = (ms: number | null) => (ms === null ? null : ms / 1_000);

/**
 * Without a dot, which parts an id from a time in the signature; a client's own job id may hold one. With the time of creation, since such an id
 * may come again when the first job is forgotten.
 */
function messageId({ key, createdAt }: JobEnded): string {
  return `msg_${createHash('sha256').update(`${createdAt}\n${key}`).digest('base64url')}`;
}

/**
 * The message, or null when none was asked for.
 * @param now when it is first heard of, Unix milliseconds
 */
export function webhookOf(ended: JobEnded, now: number): NewWebhook | null {
  if (ended.webhook === undefined) return null;
  const { promptTokens, completionTokens } = ended.usage;
  const message = {
    type: `job.${ended.state}`,
    timestamp: new Date(ended.finishedAt).toISOString(),
    data: {
      id: ended.jobId,
      object: 'job',
      status: ended.state,
      model: ended.model,
      priority: ended.priority,
      created_at: seconds(ended.createdAt),
      started_at: seconds(ended.startedAt),
      finished_at: seconds(ended.finishedAt),
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      },
      error_code: ended.reason,
      status_url: `/v1/jobs/${ended.jobId}`,
    },
  };
  return {
    id: messageId(ended),
    tenant: ended.tenant,
    url: ended.webhook,
    body: JSON.stringify(message),
    createdAt: now,
  };
}
