/** What a name and a password must be, and the record a new account begins as. */
import { randomBytes } from 'node:crypto';
import type { UserRecord } from '@inkwell/contracts';

/** Letters first; no `@`, so that a name is never an address. */
export const usernameFormat = /^[a-z0-9][a-z0-9._-]{1,62}$/;
/** ASVS 5.0, 6.2.1: eight at least; 6.2.9: 64 must be possible. */
export const passwordLength = { least: 8, most: 128 };

/** Those every list of stolen passwords begins with. */
const tooCommon = new Set(
  (
    'password password1 password12 password123 passw0rd p@ssw0rd p@ssword 12345678 123456789 1234567890 0123456789 11111111 00000000 87654321 ' +
    '88888888 123123123 12341234 qwertyui qwertyuiop qwerty123 qwerty12 1q2w3e4r 1qaz2wsx 1q2w3e4r5t q1w2e3r4 zaq12wsx asdfghjk asdfghjkl ' +
    'zxcvbnm1 iloveyou iloveyou1 sunshine princess football baseball superman starwars trustno1 whatever computer internet letmein1 letmein123 ' +
    'welcome1 welcome123 admin123 admin1234 administrator changeme changeme1 changeme123 abcd1234 abc12345 abcdefgh a1b2c3d4 aa123456 ' +
    'michael1 jennifer michelle jordan23 charlie1 monkey123 dragon123 master123 shadow123 secret123 test1234 guest123 default1 inkwell1 inkwell123'
  ).split(' '),
);

/** Why a password is refused, to follow "password: "; undefined when it is fine. */
export function passwordProblem(password: string, username: string): string | undefined {
  const plain = password.toLowerCase();
  if (tooCommon.has(plain)) return 'is one of the most common passwords';
  if (plain.includes(username) || username.includes(plain)) return 'must not hold the username';
  return undefined;
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
