/** People as they are kept: one account, one tenant, a password hash and perhaps an account at GitHub. */
import type { LimitOverrides } from './api-key.ts';
import type { Role } from './scope.ts';

export interface UserRecord {
  /** `user_…`, public. */
  id: string;
  /** Lower case, unique, never holds an `@`. */
  username: string;
  /** Lower case. Unique only among verified ones: an address somebody typed is no claim to it. */
  email: string | null;
  /** True when an operator or a provider vouched for the address. */
  emailVerified: boolean;
  /** Whose jobs this person sees. Never holds a colon. */
  tenant: string;
  role: Role;
  /** PHC string (argon2id, or bcrypt of an imported account); null = signs in elsewhere only. */
  passwordHash: string | null;
  /** GitHub's number of the user. */
  githubId: string | null;
  limits: LimitOverrides | null;
  /** Unix milliseconds. */
  createdAt: number;
  disabledAt: number | null;
}

export type UserPatch = Partial<
  Pick<UserRecord, 'role' | 'email' | 'emailVerified' | 'passwordHash' | 'githubId' | 'limits' | 'disabledAt'>
>;
