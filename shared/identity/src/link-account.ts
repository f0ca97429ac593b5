/**
 * Which account somebody from GitHub is. Their number there decides; an e-mail address only when both sides know it to be theirs; a name never.
 * Who is nobody yet gets an account without a password.
 */
import type { UserRecord } from '@inkwell/contracts';
import type { UserStore } from '@inkwell/ports';
import { newUser, usernameFormat } from './new-user.ts';

export interface GithubIdentity {
  /** GitHub's number of the user, as text. */
  id: string;
  login: string;
  /** Addresses GitHub has verified, the primary first, in lower case. */
  verifiedEmails: readonly string[];
}

export type LinkResult = { outcome: 'found' | 'linked' | 'created'; user: UserRecord } | { outcome: 'refused' };

const maxNames = 50;

/** What of the accounts this needs. */
type Accounts = Pick<UserStore, 'findByGithubId' | 'findByUsername' | 'findByVerifiedEmail' | 'create' | 'update'>;

/** @param mayRegister whether new accounts are made */
export async function linkAccount(
  users: Accounts,
  identity: GithubIdentity,
  mayRegister: boolean,
  now: number,
): Promise<LinkResult> {
  const known = await users.findByGithubId(identity.id);
  if (known) return { outcome: 'found', user: known };
  for (const email of identity.verifiedEmails) {
    const owner = await users.findByVerifiedEmail(email);
    if (!owner || owner.githubId !== null) continue;
    const linked = await users.update(owner.id, { githubId: identity.id }, { githubId: null });
    if (typeof linked !== 'string') return { outcome: 'linked', user: linked };
  }
  return mayRegister ? register(users, identity, now) : { outcome: 'refused' };
}

/** The GitHub name, or what is free near it. */
async function register(users: Accounts, identity: GithubIdentity, now: number): Promise<LinkResult> {
  const wanted = identity.login.toLowerCase();
  const base = usernameFormat.test(wanted) ? wanted.slice(0, 50) : `github-${identity.id}`;
  let email = identity.verifiedEmails[0] ?? null;
  for (let attempt = 0; attempt < maxNames; attempt++) {
    const username = attempt === 0 ? base : `${base}-${attempt + 1}`;
    if (await users.findByUsername(username)) continue;
    const user = newUser({ username, email, emailVerified: email !== null, githubId: identity.id }, now);
    const created = await users.create(user);
    if (created === 'created') return { outcome: 'created', user };
    // Somebody has the address and is linked to another GitHub account already.
    if (created === 'email') email = null;
    if (created !== 'githubId') continue;
    const known = await users.findByGithubId(identity.id);
    if (known) return { outcome: 'found', user: known };
  }
  return { outcome: 'refused' };
}
