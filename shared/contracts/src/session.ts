/** A sign-in: the family of tokens, or the browser session, that began with it. */

export type SessionKind = 'tokens' | 'browser';

export interface SessionRecord {
  /** `ses_…`. */
  id: string;
  userId: string;
  kind: SessionKind;
  /** SHA-256 (hex) of the newest secret: of the refresh token, or of the cookie. */
  secretHash: string;
  /** 1 for the first; grows with every rotation. */
  generation: number;
  /** Unix milliseconds. */
  createdAt: number;
  lastUsedAt: number;
  expiresAt: number;
  revokedAt: number | null;
  /** For the person to recognise it: address and browser of the sign-in. */
  ip: string;
  userAgent: string;
}

/** What was revoked: everything of the subject that was issued before `at`. */
export interface Revocation {
  subject: RevokedSubject;
  /** Unix milliseconds. */
  at: number;
  /** After this (Unix ms) nothing issued before `at` is valid anyway. */
  expiresAt: number;
}

/** A key, a sign-in, a person, or a single access token by its `jti`. */
export type RevokedSubject = `key:${string}` | `session:${string}` | `user:${string}` | `token:${string}`;
