/** Callers and connections, as audit names them. */
import type { AuditEvent, JobOrigin } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';

export function actorOf({ kind, keyId, userId }: Caller): AuditEvent['actor'] {
  if (kind === 'local') return { kind: 'local', id: 'local' };
  if (kind === 'key') return { kind: 'key', id: keyId };
  return userId === null ? { kind: 'anonymous', id: 'anonymous' } : { kind: 'user', id: userId };
}

/** What a job's record keeps of who asked for it. */
export function originOf(caller: Caller, ip: string): JobOrigin {
  const actor = actorOf(caller);
  const { kind } = actor;
  // A token that a machine got for its key belongs to nobody but the key.
  const known =
    kind === 'key' || kind === 'user' || kind === 'local'
      ? { kind, id: actor.id }
      : { kind: 'key' as const, id: caller.keyId };
  return { actor: known, userId: caller.userId, ip: ip || null };
}
