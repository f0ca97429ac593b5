/** Whether a caller may use an operation, by the role of their key. */
import { InkwellError } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import type { Access } from '../operation.ts';

/** @throws InkwellError `insufficient_scope` */
export function authorize(caller: Caller, access: Access): void {
  if (access === 'superuser' && caller.role !== 'superuser') {
    throw new InkwellError('insufficient_scope', { message: 'This needs an API key of a superuser.' });
  }
  if ((access === 'operator' || access === 'monitor') && caller.role === 'user') {
    throw new InkwellError('insufficient_scope', { message: 'This needs an API key of an operator.' });
  }
}
