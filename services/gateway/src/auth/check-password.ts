/** Whose password this is. An unknown name, a disabled account and a wrong password cost the same and get the same answer. */
import { type AuditAction, InkwellError, type UserRecord } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';

/**
 * @param name username, or a verified e-mail address, in lower case
 * @param action what the password is asked for, should it be refused
 * @throws InkwellError `invalid_credentials`, or `too_many_attempts` when this account or address must wait
 */
export async function checkPassword(
  { identity, ports, clock }: GatewayContext,
  name: string,
  password: string,
  ip: string,
  action: AuditAction = 'auth.login',
): Promise<UserRecord> {
  const allowed = await identity.backoff.begin(name, ip, clock.now());
  if (allowed !== 'allowed') {
    throw new InkwellError('too_many_attempts', { retryAfterSeconds: allowed.retryAfterMs / 1000, note: { action } });
  }
  const { userStore } = ports;
  const user = await (name.includes('@') ? userStore.findByVerifiedEmail(name) : userStore.findByUsername(name));
  const stored = user && user.disabledAt === null ? user.passwordHash : null;
  const { valid, outdated } = await identity.passwords.verify(password, stored);
  const note = { action, ...(user && { resource: `user/${user.id}`, tenant: user.tenant }) };
  if (!user || !valid) throw new InkwellError('invalid_credentials', { note });
  await identity.backoff.succeeded(name, ip);
  if (!outdated) return user;
  const passwordHash = await identity.passwords.hash(password);
  // If somebody changed it meanwhile, theirs stands.
  const renewed = await userStore.update(user.id, { passwordHash }, { passwordHash: stored });
  return typeof renewed === 'string' ? user : renewed;
}
