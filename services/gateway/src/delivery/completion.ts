/** A finished job as an OpenAI completion, or as the error its end amounts to for someone who waited for text. */
import {
  type Choice,
  type ErrorCode,
  errorTable,
  InkwellError,
  type JobOutcome,
  type JobRecord,
} from '@inkwell/contracts';
import { completionId } from '../jobs/job-id.ts';

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorTable, code);
}

/** The error a waiting client gets, or null if there is a result to show. */
export function outcomeError({ state, error }: JobOutcome): InkwellError | null {
  if (state === 'completed' || state === 'incomplete') return null;
  if (state === 'cancelled') return new InkwellError('job_cancelled');
  if (state === 'expired') return new InkwellError('deadline_exceeded');
  const code = isErrorCode(error?.code) ? error.code : 'generation_failed';
  return new InkwellError(code, { message: error?.message });
}

/** The members every completion and every chunk of it begin with. */
export function completionHead(record: JobRecord) {
  return {
    id: completionId(record.id),
    object: 'text_completion' as const,
    created: Math.floor(record.createdAt / 1_000),
    model: record.spec.model,
  };
}

/** @throws InkwellError when the job ended without a result */
export function toCompletion(record: JobRecord, outcome: JobOutcome) {
  const error = outcomeError(outcome);
  if (error) throw error;
  const choices: Choice[] = outcome.result?.choices ?? [];
  return { ...completionHead(record), choices, usage: outcome.result?.usage ?? null };
}
