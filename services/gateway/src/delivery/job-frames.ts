/**
 * A job's events as server-sent frames. A frame is a pure function of the event (and, for the last, of the job), so that every reader at every
 * time gets the same bytes. Events read by many at once are written out once.
 */
import {
  type DeltaEvent,
  isTerminalEvent,
  type JobEvent,
  type QueuedEvent,
  type StartedEvent,
} from '@inkwell/contracts';
import type { JobResource } from '@inkwell/contracts/http';
import { toSeconds } from './job-resource.ts';

/** Built by hand: this runs for every token of every reader. */
function deltaMembers({ index, delta, finishReason, logprobs }: DeltaEvent): string {
  const reason = finishReason === null ? 'null' : `"${finishReason}"`;
  const rest = logprobs === null ? '' : `,"logprobs":${JSON.stringify(logprobs)}`;
  return `,"index":${index},"delta":${JSON.stringify(delta)},"finish_reason":${reason}${rest}`;
}

function startedMembers({ attempt, worker }: StartedEvent): string {
  return `,"attempt":${attempt},"worker":${JSON.stringify(worker)}`;
}

function frame(event: JobEvent, jobId: string, members: string): string {
  const { type, seq, at } = event;
  const head = `"type":"${type}","sequence_number":${seq},"job_id":"${jobId}","created_at":${toSeconds(at)}`;
  return `id: ${seq}\nevent: ${type}\ndata: {${head}${members}}\n\n`;
}

type OpenEvent = QueuedEvent | StartedEvent | DeltaEvent;
const written = new WeakMap<OpenEvent, string>();

function openFrame(event: OpenEvent, jobId: string): string {
  const known = written.get(event);
  if (known !== undefined) return known;
  const members = event.type === 'job.delta' ? deltaMembers(event) : '';
  const text = frame(event, jobId, event.type === 'job.started' ? startedMembers(event) : members);
  written.set(event, text);
  return text;
}

/** @param wholeJob asked for the terminal event only */
export async function jobFrame(event: JobEvent, jobId: string, wholeJob: () => Promise<JobResource>): Promise<string> {
  if (!isTerminalEvent(event)) return openFrame(event, jobId);
  return frame(event, jobId, `,"job":${JSON.stringify(await wholeJob())}`);
}
