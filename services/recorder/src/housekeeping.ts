/**
 * Removes what has ended and matters no more from a cluster's stores: sessions, revocations, counted sign-ins, ids of delivered webhooks. By query and
 * not by TTL indexes, which not every server of the wire protocol has. Any number of recorders may do it at the same time.
 */
import type { Logger } from '@inkwell/observability';
import type { AttemptStore, Clock, RevocationStore, SessionStore, WebhookQueue } from '@inkwell/ports';

export interface HousekeepingOptions {
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  webhookQueue: WebhookQueue;
  clock: Clock;
  log: Logger;
  everyMs?: number;
}

const usualPauseMs = 600_000;
/** A fact told again later than this would make its webhook again; deliveries don't live that long. */
const webhooksKeptMs = 7 * 86_400_000;

/** Once; answers how many of each went. */
export async function tidy(options: Omit<HousekeepingOptions, 'log' | 'everyMs'>): Promise<Record<string, number>> {
  const { sessionStore, revocationStore, attemptStore, webhookQueue, clock } = options;
  const now = clock.now();
  const [sessions, revocations, attempts, webhooks] = await Promise.all([
    sessionStore.pruneSessions(now),
    revocationStore.pruneRevocations(now),
    attemptStore.pruneAttempts(now),
    webhookQueue.pruneWebhooks(now - webhooksKeptMs),
  ]);
  return { sessions, revocations, attempts, webhooks };
}

/** Now, and every ten minutes. */
export function startHousekeeping(options: HousekeepingOptions): { stop(): Promise<void> } {
  const { log, everyMs = usualPauseMs } = options;
  let working: Promise<void> | undefined;
  const sweep = () => {
    working ??= tidy(options)
      .then(
        (gone) => log.debug(gone, 'what had ended was removed'),
        (err: unknown) => log.warn({ err }, 'what had ended could not be removed; tried again later'),
      )
      .finally(() => {
        working = undefined;
      });
  };
  const timer = setInterval(sweep, everyMs);
  timer.unref();
  sweep();
  return {
    async stop() {
      clearInterval(timer);
      await working;
    },
  };
}
