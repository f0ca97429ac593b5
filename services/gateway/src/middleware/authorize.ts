/** Whether a caller may use an operation: the kind of credential, the role, and the scope it is good for. */
import { hasRole, InkwellError, type Role } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import type { Access, Operation } from '../operation.ts';

const neededRole: Readonly<Record<Access, Role>> = {
  open: 'user',
  key: 'user',
  person: 'user',
  monitor: 'operator',
  operator: 'operator',
  superuser: 'superuser',
};

const refuse = (message: string): never => {
  throw new InkwellError('insufficient_scope', { message });
};

/** @throws InkwellError `insufficient_scope` */
export function authorize(caller: Caller, { access, scope }: Pick<Operation, 'access' | 'scope'>): void {
  const role = neededRole[access];
  if (!hasRole(caller.role, role)) refuse(`This needs the role ${role}.`);
  if (access === 'person' && caller.kind !== 'token' && caller.kind !== 'session') {
    refuse('This is for people who signed in, not for API keys.');
  }
  if (access === 'person' && caller.userId === null) refuse('This is for people who signed in, not for API keys.');
  if (scope === undefined ? caller.restricted : !caller.scopes.includes(scope)) {
    refuse(scope === undefined ? 'This credential is restricted to other things.' : `This needs the scope ${scope}.`);
  }
}
