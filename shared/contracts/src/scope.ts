/** What a credential may be used for. A role says how far its holder may go, scopes say for what. */

export const roles = ['user', 'operator', 'superuser'] as const;
export type Role = (typeof roles)[number];

export const scopes = ['generate', 'jobs', 'models', 'keys', 'account', 'usage', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export const isScope = (text: string): text is Scope => (scopes as readonly string[]).includes(text);

/** Whether `role` may do what `needed` may. */
export function hasRole(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

export function lowerRole(left: Role, right: Role): Role {
  return hasRole(left, right) ? right : left;
}

/** What a signed-in person of this role may do. */
export function scopesOfRole(role: Role): readonly Scope[] {
  return role === 'user' ? scopes.filter((scope) => scope !== 'admin') : scopes;
}

/**
 * What a key without a list of scopes may do: neither make further keys nor see its owner's sessions, so that a leaked key cannot outlive
 * its revocation. A superuser's key may do everything: it is how an installation begins.
 */
export function scopesOfKey(role: Role): readonly Scope[] {
  if (role === 'superuser') return scopes;
  return scopesOfRole(role).filter((scope) => scope !== 'keys' && scope !== 'account');
}
