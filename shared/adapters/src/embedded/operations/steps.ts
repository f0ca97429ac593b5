/** The steps of an undisturbed job: several operations in one savepoint. */
import type { JobKey, TerminalState } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';
import { eventOperations } from './events.ts';
import { type JobRow, jobOperations, type NewJobRow, type RowPatch } from './jobs.ts';
import { leaseOperations } from './leases.ts';

type CreateInput = Parameters<typeof jobOperations.createJob>[1];
interface AcceptInput extends Omit<CreateInput, 'row'> {
  row: NewJobRow;
  /** The first event as JSON. */
  body: string;
  now: number;
}

function acceptJob(connection: Connection, { body, now, ...input }: AcceptInput) {
  const answer = jobOperations.createJob(connection, input);
  const { key } = input.row;
  // Stale means that a story had begun: then it begins as it should.
  if (answer.outcome === 'created')
    eventOperations.appendEvents(connection, { key, fence: 0, afterSeq: 0, bodies: [body], terminal: false, now });
  return answer;
}

interface BeginInput {
  key: JobKey;
  owner: string;
  now: number;
  ttlMs: number;
  startedAt: number;
  /** `job.started` as JSON. */
  body: string;
}

type BeginAnswer =
  | { outcome: 'taken'; fence: number; started: boolean; row: JobRow }
  | { outcome: 'held' | 'unknown' }
  | { outcome: 'ended'; row: JobRow };

const lastEvent = 'SELECT seq, terminal FROM events WHERE key = ? ORDER BY seq DESC LIMIT 1';

function beginJob(connection: Connection, { key, owner, now, ttlMs, startedAt, body }: BeginInput): BeginAnswer {
  const row = connection.get<JobRow>('SELECT * FROM jobs WHERE key = ?', key);
  if (row === undefined) return { outcome: 'unknown' };
  if (row.state !== 'queued' && row.state !== 'in_progress') return { outcome: 'ended', row };
  const taken = leaseOperations.takeLease(connection, { key, owner, now, ttlMs, force: false });
  if (taken === 'held') return { outcome: 'held' };
  const { fence } = taken;
  const last = connection.get<{ seq: number; terminal: number }>(lastEvent, key);
  if (row.state !== 'queued' || last?.seq !== 1 || last.terminal === 1)
    return { outcome: 'taken', fence, started: false, row };
  const patch = { attempts: 1, started_at: startedAt };
  const moved = jobOperations.transitionJob(connection, { key, from: ['queued'], to: 'in_progress', patch, fence });
  if (moved === 'conflict') return { outcome: 'taken', fence, started: false, row };
  eventOperations.appendEvents(connection, { key, fence, afterSeq: 1, bodies: [body], terminal: false, now });
  return { outcome: 'taken', fence, started: true, row: moved };
}

interface FinishInput {
  key: JobKey;
  fence: number;
  afterSeq: number;
  bodies: readonly string[];
  state: TerminalState;
  patch: RowPatch;
  keepsLease: boolean;
  now: number;
}

function finishJob(connection: Connection, input: FinishInput): 'ok' | 'stale' {
  const { key, fence, afterSeq, bodies, state, patch, keepsLease, now } = input;
  const row = connection.get<JobRow>('SELECT * FROM jobs WHERE key = ?', key);
  // Checked first, so that the move cannot fail once the events are there.
  if (row?.state !== 'in_progress' || fence < row.fence) return 'stale';
  const appended = eventOperations.appendEvents(connection, { key, fence, afterSeq, bodies, terminal: true, now });
  if (appended === 'stale') return 'stale';
  jobOperations.transitionJob(connection, { key, from: ['in_progress'], to: state, patch, fence });
  if (!keepsLease) leaseOperations.releaseLease(connection, { key, fence });
  return 'ok';
}

export const stepOperations = { acceptJob, beginJob, finishJob };
