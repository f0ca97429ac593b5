/** Makes somebody's account, recorded before it is made. */
import { InkwellError, type UserRecord } from '@inkwell/contracts';
import type { UserStore } from '@inkwell/ports';
import { audited, type By } from '../audit/audit.ts';
import type { GatewayContext } from '../context.ts';
import type { SignInMethod } from './sign-in.ts';

type Created = Awaited<ReturnType<UserStore['create']>>;

/** @returns `created`, or what is taken; the audit log then has a second event, that it failed */
export async function createAccount(
  gateway: GatewayContext,
  by: By,
  user: UserRecord,
  method: SignInMethod,
): Promise<Created> {
  const about = { resource: `user/${user.id}`, tenant: user.tenant, once: user.id, details: { method } };
  let created: Created | undefined;
  try {
    await audited(gateway, by, { action: 'auth.registered', ...about }, async () => {
      created = await gateway.ports.userStore.create(user);
      if (created !== 'created') throw new InkwellError('username_taken');
    });
  } catch (thrown) {
    if (created === undefined) throw thrown;
  }
  return created!;
}
