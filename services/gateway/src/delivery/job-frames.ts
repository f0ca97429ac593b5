/**
 * A job's events as server-sent frames. A frame is a pure function of the event (and, for the last, of the job), so that every reader at every
 * time gets the same bytes.
 */
import type { DeltaEvent, JobEvent, TerminalEvent } from '@inkwell/contracts';
import type { JobResource } from '@inkwell/contracts/http';
import { toSeconds } from './job-resource.ts';

export type OpenEvent = Exclude<JobEvent, TerminalEvent>;

/** Built by hand: this runs for every token of every reader. */
function deltaMembers({ index, delta, finishReason, logprobs }: DeltaEvent): string {
  const reason = finishReason === null ? 'null' : `"${finishReason}"`;
  const rest = logprobs === null ? '' : `,"logprobs":${JSON.stringify(logprobs)}`;
  return `,"index":${index},"delta":${JSON.stringify(delta)},"finish_reason":${reason}${rest}`;
}

function openMembers(event: OpenEvent): string {
  if (event.type === 'job.delta') return deltaMembers(event);
  if (event.type === 'job.queued') return '';
  return `,"attempt":${event.attempt},"worker":${JSON.stringify(event.worker)}`;
}

/** Job ids need no escaping, by their schema. */
function frame({ type, seq, at }: JobEvent, jobId: string, members: string): string {
  const head = `"type":"${type}","sequence_number":${seq},"job_id":"${jobId}","created_at":${toSeconds(at)}`;
  return `id: ${seq}\nevent: ${type}\ndata: {${head}${members}}\n\n`;
}

export function openFrame(event: OpenEvent, jobId: string): string {
  return frame(event, jobId, openMembers(event));
}

export function terminalFrame(event: TerminalEvent, job: JobResource): string {
  return frame(event, job.id, `,"job":${JSON.stringify(job)}`);
}
