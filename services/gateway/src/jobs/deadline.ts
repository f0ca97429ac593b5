/** When a job must be over: the body's `deadline` (Unix seconds) or the header `Cancel-After` (seconds from now), whichever is earlier. */
import { InkwellError } from '@inkwell/contracts';

const seconds = /^[0-9]{1,9}(\.[0-9]{1,3})?$/;

export const deadlineHeader = {
  'Cancel-After': {
    description: 'Seconds from now after which the job expires; the earlier of it and `deadline` counts.',
    pattern: seconds.source,
  },
};

function readCancelAfter(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && seconds.test(header)) return Number(header);
  throw new InkwellError('invalid_header', {
    param: 'Cancel-After',
    message: 'Cancel-After: must be a number of seconds.',
  });
}

/** Unix milliseconds or null. A deadline in the past is taken: that job expires without starting. */
export function readDeadline(
  deadline: number | null | undefined,
  cancelAfter: string | string[] | undefined,
  nowMs: number,
): number | null {
  const after = readCancelAfter(cancelAfter);
  const candidates = [
    ...(typeof deadline === 'number' ? [deadline * 1_000] : []),
    ...(after === undefined ? [] : [nowMs + after * 1_000]),
  ];
  return candidates.length === 0 ? null : Math.min(...candidates);
}
