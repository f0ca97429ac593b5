/** Who is calling, once their key has been checked. */
import type { Role } from '@inkwell/contracts';

export interface Caller {
  keyId: string;
  tenant: string;
  role: Role;
}

/** Who looks in from this machine without a key. No tenant that can be made has this name. */
export const localMonitor: Caller = { keyId: 'local', tenant: '_local', role: 'operator' };

/** The caller of open operations: owns nothing, since no tenant has an empty name. */
export const nobody: Caller = { keyId: '', tenant: '', role: 'user' };
