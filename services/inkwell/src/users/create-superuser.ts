/** `inkwell users create-superuser`: the account an installation's people are administered from. */
import { newUser, Passwords, passwordLength, passwordProblem, usernameFormat } from '@inkwell/identity';
import { systemClock } from '@inkwell/ports';
import { openUserStore } from './compose-user-store.ts';
import { readPassword } from './read-password.ts';

export interface SuperuserWish {
  username: string;
  /** The operator vouches for it: it counts as verified. */
  email: string | null;
}

/** Throws an Error for people when the name, the address or the password will not do. */
export async function createSuperuser(wish: SuperuserWish, environment: NodeJS.ProcessEnv): Promise<void> {
  const username = wish.username.toLowerCase();
  const email = wish.email?.toLowerCase() ?? null;
  if (!usernameFormat.test(username)) throw new Error('--username: 2 to 63 of letters, digits, ., _ and -');
  if (email !== null && !/^[^\s@]+@[^\s@]+$/.test(email)) throw new Error('--email: must be an e-mail address');
  const store = await openUserStore(environment);
  try {
    const password = await readPassword(`Password for ${username}: `);
    const { least, most } = passwordLength;
    if (password.length < least || password.length > most) {
      throw new Error(`The password must have ${least} to ${most} characters.`);
    }
    const problem = passwordProblem(password, username);
    if (problem) throw new Error(`The password ${problem}.`);
    const passwordHash = await new Passwords().hash(password);
    const given = {
      username,
      email,
      emailVerified: email !== null,
      passwordHash,
      role: 'superuser',
      tenant: 'default',
    } as const;
    const user = newUser(given, systemClock.now());
    const created = await store.userStore.create(user);
    if (created === 'username') throw new Error(`There is a user ${username} already.`);
    if (created === 'email') throw new Error('Somebody has this address, verified.');
    process.stdout.write(`Superuser ${username} made (${user.id}). Sign in at /api/auth/login or the console.\n`);
  } finally {
    await store.close();
  }
}
