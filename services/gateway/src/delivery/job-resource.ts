/** A job record as clients see it: snake case, Unix seconds, with links. Ids are safe in URLs by their schema. */
import type { JobRecord } from '@inkwell/contracts';
import type { JobResource } from '@inkwell/contracts/http';
import type { GatewayContext } from '../context.ts';
import { type Place, placeInLine } from '../jobs/estimates.ts';

/** Unix milliseconds → seconds with milliseconds as fraction. */
export function toSeconds(ms: number): number {
  return Math.round(ms) / 1_000;
}

const toSecondsOrNull = (ms: number | null | undefined): number | null => (ms == null ? null : toSeconds(ms));

function jobPath(id: string): string {
  return `/v1/jobs/${id}`;
}

/** @param place where it stands in line; null unless queued */
export function toJobResource(record: JobRecord, place: Place | null): JobResource {
  const path = jobPath(record.id);
  return {
    id: record.id,
    object: 'job',
    status: record.state,
    model: record.spec.model,
    priority: record.priority,
    created_at: toSeconds(record.createdAt),
    started_at: toSecondsOrNull(record.startedAt),
    finished_at: toSecondsOrNull(record.finishedAt),
    attempts: record.attempts,
    position: place?.position ?? null,
    estimated_start_at: toSecondsOrNull(place?.startAt),
    estimated_finish_at: toSecondsOrNull(place?.finishAt),
    deadline_at: toSecondsOrNull(record.deadlineAt),
    metadata: record.metadata,
    usage: record.result?.usage ?? null,
    result: record.result,
    error: record.error,
    status_url: path,
    events_url: `${path}/events`,
    response_url: `${path}?wait=60`,
    cancel_url: `${path}/cancel`,
  };
}

/** Several jobs at once, all placed by one look at the counters; none if no job waits. */
export async function toJobResources(gateway: GatewayContext, records: readonly JobRecord[]): Promise<JobResource[]> {
  if (!records.some(({ state }) => state === 'queued')) return records.map((record) => toJobResource(record, null));
  const counts = await gateway.ports.jobStore.counts();
  const stats = gateway.workerStats();
  const now = gateway.clock.now();
  return records.map((record) =>
    toJobResource(record, record.state === 'queued' ? placeInLine(record, counts, stats, now) : null),
  );
}

export async function presentJob(gateway: GatewayContext, record: JobRecord): Promise<JobResource> {
  const [resource] = await toJobResources(gateway, [record]);
  return resource!;
}
