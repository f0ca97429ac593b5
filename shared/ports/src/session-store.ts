/**
 * Sign-ins: families of refresh tokens and browser sessions. Promises: of two rotations of one generation one wins, and the other revokes the
 * family in the same step; what was revoked stays so. Not promised: that a session past its time is still there.
 */
import type { SessionRecord } from '@inkwell/contracts';

export interface SessionRotation {
  /** The generation and the secret's hash that the client holds. */
  generation: number;
  secretHash: string;
  nextSecretHash: string;
  /** Unix milliseconds. */
  at: number;
  expiresAt: number;
}

export type RotationResult =
  | { outcome: 'rotated'; session: SessionRecord }
  /** The client holds an old generation: the family is revoked now. */
  | { outcome: 'reused'; session: SessionRecord }
  /** Unknown, revoked or past its time. */
  | { outcome: 'ended' };

export interface SessionStore {
  create(session: SessionRecord): Promise<void>;
  get(id: string): Promise<SessionRecord | undefined>;
  rotate(id: string, rotation: SessionRotation): Promise<RotationResult>;
  /** False when there is no such session or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
  /** Neither revoked nor past its time at `now`; newest first. */
  listLive(userId: string, now: number): Promise<SessionRecord[]>;
  /** Removes sessions whose time was over before then. Answers how many. */
  pruneSessions(expiredBefore: number): Promise<number>;
}
