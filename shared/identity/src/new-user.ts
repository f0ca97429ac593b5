/** What a name and a password must be, and the record a new account begins as. */
import { randomBytes } from 'node:crypto';
import type { UserRecord } from '@inkwell/contracts';
import { dictionary } from '@zxcvbn-ts/language-common';

/** Letters first; no `@`, so that a name is never an address. */
export const usernameFormat = /^[a-z0-9][a-z0-9._-]{1,62}$/;
/** ASVS 5.0, 6.2.1: eight at least; 6.2.9: 64 must be possible. */
export const passwordLength = { least: 8, most: 128 };

/** Some 18,000 passwords of eight characters and more from published leaks (zxcvbn-ts; ASVS 5.0, 6.2.4 and 6.2.12), and what is likely here. */
const tooCommon: ReadonlySet<string> = new Set([
  ...dictionary['passwords-common'].filter((password) => password.length >= passwordLength.least),
  ...'changeme changeme1 changeme123 password12 letmein123 guest123 default1 secret123 admin1234 test1234'.split(' '),
]);

/** Words of this product that no password may hold (ASVS 5.0, 6.1.2 and 6.2.11). */
const contextWords = ['inkwell'];

/** Why a password is refused, to follow "password: "; undefined when it is fine. */
export function passwordProblem(password: string, username: string): string | undefined {
  const plain = password.toLowerCase();
  if (tooCommon.has(plain)) return 'is one of the most common passwords';
  if (plain.includes(username) || username.includes(plain)) return 'must not hold the username';
  const word = contextWords.find((one) => plain.includes(one));
  return word && `must not hold the word ${word}`;
}

/** A person with a tenant of their own. */
export function newUser(given: Pick<UserRecord, 'username'> & Partial<UserRecord>, now: number): UserRecord {
  const id = `user_${randomBytes(12).toString('hex')}`;
  return {
    id,
    email: null,
    emailVerified: false,
    tenant: id,
    role: 'user',
    passwordHash: null,
    githubId: null,
    limits: null,
    createdAt: now,
    disabledAt: null,
    ...given,
  };
}
