/** Everything the writer thread can do to the store, by name. */
import { apiKeyOperations } from './api-keys.ts';
import { attemptOperations } from './attempts.ts';
import { auditOperations } from './audit.ts';
import { deliveryOperations } from './deliveries.ts';
import { eventOperations } from './events.ts';
import { factOperations } from './facts.ts';
import { historyOperations } from './history.ts';
import { idempotencyOperations } from './idempotency.ts';
import { jobOperations } from './jobs.ts';
import { leaseOperations } from './leases.ts';
import { limitOperations } from './limits.ts';
import { retentionOperations } from './retention.ts';
import { revocationOperations } from './revocations.ts';
import { sessionOperations } from './sessions.ts';
import { stepOperations } from './steps.ts';
import { userOperations } from './users.ts';
import { webhookOperations } from './webhooks.ts';

export const operations = {
  ...jobOperations,
  ...eventOperations,
  ...leaseOperations,
  ...stepOperations,
  ...deliveryOperations,
  ...idempotencyOperations,
  ...apiKeyOperations,
  ...userOperations,
  ...sessionOperations,
  ...revocationOperations,
  ...attemptOperations,
  ...limitOperations,
  ...retentionOperations,
  ...factOperations,
  ...auditOperations,
  ...historyOperations,
  ...webhookOperations,
};
