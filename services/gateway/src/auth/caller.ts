/** Who is calling, once what they brought has been checked. */
import { type LimitOverrides, type RevokedSubject, type Role, type Scope, scopesOfRole } from '@inkwell/contracts';

export interface Caller {
  /** What they came with: an API key, an access token, the console's cookie; `local` and `nobody` brought nothing. */
  kind: 'key' | 'token' | 'session' | 'local' | 'nobody';
  /** The API key, also behind a token that was got with one; empty when there is none. */
  keyId: string;
  /** The person, or the person the key belongs to. */
  userId: string | null;
  /** The sign-in of a token or cookie. */
  sessionId: string | null;
  tenant: string;
  role: Role;
  scopes: readonly Scope[];
  /** True when the credential was given a list of scopes: then it may do nothing that names none. */
  restricted: boolean;
  /** Models they may use; null = all. */
  models: readonly string[] | null;
  /** Of the key, or of the person; null = as configured. */
  limits: LimitOverrides | null;
  /** Revoking any of these ends what the caller may do. */
  subjects: readonly RevokedSubject[];
  /** Unix milliseconds when the credential was issued; a revocation voids what is older. */
  issuedAt: number;
  /** The hash of the API key that must sign the request (RFC 9421); null = it need not be signed. */
  signedBy: string | null;
}

const unrestricted = {
  keyId: '',
  userId: null,
  sessionId: null,
  restricted: false,
  models: null,
  limits: null,
  subjects: [],
  issuedAt: 0,
  signedBy: null,
} as const;

/** Who looks in from this machine without a key. No tenant that can be made has this name. */
export const localMonitor: Caller = {
  ...unrestricted,
  kind: 'local',
  keyId: 'local',
  tenant: '_local',
  role: 'operator',
  scopes: scopesOfRole('operator'),
};

/** The caller of open operations: owns nothing, since no tenant has an empty name. */
export const nobody: Caller = { ...unrestricted, kind: 'nobody', tenant: '', role: 'user', scopes: [] };
