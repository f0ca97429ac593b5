/**
 * People. Promises: names, verified addresses and GitHub numbers exist once, whoever asks at the same time; a change is durable when it
 * resolves, and made only if nothing it depends on has changed.
 */
import type { UserPatch, UserRecord } from '@inkwell/contracts';

/** Which of the things that exist once is taken. */
export type UserConflict = 'id' | 'username' | 'email' | 'githubId';

export interface UserStore {
  /** `created`, or what is taken. An address counts only when it is verified. */
  create(user: UserRecord): Promise<'created' | UserConflict>;
  get(id: string): Promise<UserRecord | undefined>;
  findByUsername(username: string): Promise<UserRecord | undefined>;
  findByVerifiedEmail(email: string): Promise<UserRecord | undefined>;
  findByGithubId(githubId: string): Promise<UserRecord | undefined>;
  /**
   * Changes the account if every field in `expected` is as given. Answers it as it is now, `changed` when something expected wasn't so or
   * there is no such user, or what is taken.
   */
  update(id: string, patch: UserPatch, expected?: UserPatch): Promise<UserRecord | 'changed' | UserConflict>;
  /** Oldest first; continue after this id. An unknown id answers an empty page. */
  list(page: { limit: number; after?: string }): Promise<{ users: UserRecord[]; hasMore: boolean }>;
}
