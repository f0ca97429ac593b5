/** What each role may ask for at most. Whatever lies beyond is refused with the field's name, before anything is queued. */
import { type Priority, priorities } from './job.ts';
import type { Role } from './scope.ts';

export interface RoleAllowance {
  /** Highest `max_tokens`. */
  maxTokens: number;
  /** What `priority` may name; an endpoint's own default is always allowed. */
  priorities: readonly Priority[];
  /** Whether the configured rates and budgets bind it; those of its own record always do. */
  limited: boolean;
}

export const roleAllowances: Readonly<Record<Role, RoleAllowance>> = {
  user: { maxTokens: 2_048, priorities: ['standard', 'batch'], limited: true },
  operator: { maxTokens: 4_096, priorities, limited: true },
  superuser: { maxTokens: 4_096, priorities, limited: false },
};
