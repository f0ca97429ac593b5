/**
 * Tells a storage that fails (disk full, I/O error, damaged file) from a mistake in a statement. The first may be over in a minute and is
 * answered as `dependency_unavailable`; the second is ours and stays an ordinary error.
 */
import { InkwellError } from '@inkwell/contracts';

/** Primary result codes, https://www.sqlite.org/rescode.html. */
const failures: Readonly<Record<number, string>> = {
  5: 'the database file is locked by another program',
  7: 'out of memory',
  8: 'the database file is read-only',
  10: 'the disk reported an I/O error',
  11: 'the database file is damaged',
  13: 'the disk is full',
  14: 'the database file cannot be opened',
  26: 'the file is not a database',
};

/** Why the storage failed, in words for the operator; undefined when the error isn't the storage's. */
export function storageFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return failures[error.errcode & 0xff];
}

/** True when the file itself is at fault and no retry can help. */
export function isDamage(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [11, 26].includes(Number(error.errcode) & 0xff);
}

/** The error a caller sees; the reason is for the log and travels as its cause. */
export function unavailable(reason: string): InkwellError {
  return new InkwellError('dependency_unavailable', {
    message: 'The job store is not available.',
    retryAfterSeconds: 5,
    cause: new Error(reason),
  });
}
