/**
 * Delivers webhooks: claims what is due, sends it signed, and settles it. Sent at least once; a receiver knows repeats by `webhook-id`. Whoever dies
 * while sending loses nothing, since what was claimed and not settled comes again. A tenant whose receiver is slow holds up its own webhooks,
 * not those of others: a few at a time are under way for each.
 */
import type { Logger, Metrics } from '@inkwell/observability';
import type { ClaimedWebhook, Clock, WebhookQueue } from '@inkwell/ports';
import { guardedPost, type Resolve, type WebhookRules, webhookHeaders, webhookSecretOf } from '@inkwell/safety';
import { verdictOf } from './verdict.ts';

export interface WebhookSenderOptions {
  webhookQueue: WebhookQueue;
  /** Every tenant's secret is derived from it. */
  serverSecret: string | Uint8Array;
  rules: WebhookRules;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  /** How names become addresses; for tests. */
  resolve?: Resolve;
  /** How often is looked for what is due, beside every `wake`. */
  pollMs?: number;
}

export interface WebhookSender {
  /** Looks now: something was added. */
  wake(): void;
  /** Cuts off what is being sent, which is tried again by whoever comes next, and sends nothing new. */
  stop(): Promise<void>;
}

/** Of one try, from the name's resolution to the answer's status. */
const timeoutMs = 15_000;
/** What is claimed is somebody else's again after this long; longer than a try and its settling can take. */
const claimedForMs = 30_000;
const mostAtOnce = 64;
const mostOfTenant = 8;
const defaultPollMs = 1_000;

export function startWebhookSender(options: WebhookSenderOptions): WebhookSender {
  return new QueueSender(options);
}

class QueueSender implements WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #stopping = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Map<string, { tenant: string; done: Promise<void> }>();
  #claiming: Promise<void> | undefined;
  /** Something may have become due since the claim that runs now began. */
  #again = false;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.wake(), options.pollMs ?? defaultPollMs);
    this.#timer.unref();
    this.wake();
  }

  wake(): void {
    this.#again = true;
    if (this.#claiming !== undefined || this.#stopping.signal.aborted) return;
    this.#claiming = this.#claimDue()
      .catch((err: unknown) => this.#options.log.warn({ err }, 'webhooks could not be claimed; tried again'))
      .finally(() => {
        this.#claiming = undefined;
      });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort(new Error('the sender stops'));
    await this.#claiming;
    await Promise.all([...this.#underWay.values()].map(({ done }) => done));
  }

  /** Until nothing more is due or all hands are full. */
  async #claimDue(): Promise<void> {
    const { webhookQueue, clock } = this.#options;
    while (this.#again && !this.#stopping.signal.aborted && this.#underWay.size < mostAtOnce) {
      this.#again = false;
      const now = clock.now();
      const notOf = this.#busyTenants();
      const claimed = await webhookQueue.claim({ now, limit: mostOfTenant, againAt: now + claimedForMs, notOf });
      for (const webhook of claimed) this.#begin(webhook);
      if (claimed.length === mostOfTenant) this.#again = true;
    }
  }

  #busyTenants(): string[] {
    const counts = Map.groupBy(this.#underWay.values(), ({ tenant }) => tenant);
    return [...counts].filter(([, own]) => own.length >= mostOfTenant).map(([tenant]) => tenant);
  }

  #begin(webhook: ClaimedWebhook): void {
    const { id, tenant } = webhook;
    const done = this.#deliver(webhook)
      .catch((err: unknown) => this.#options.log.warn({ err, webhook: id }, 'a webhook could not be settled'))
      .finally(() => {
        this.#underWay.delete(id);
        this.wake();
      });
    this.#underWay.set(id, { tenant, done });
  }

  async #deliver(webhook: ClaimedWebhook): Promise<void> {
    const { webhookQueue, serverSecret, rules, clock, log, metrics, resolve } = this.#options;
    const { id, tenant, url, body, tries } = webhook;
    const { signal } = this.#stopping;
    const headers = webhookHeaders(webhookSecretOf(serverSecret, tenant), id, clock.now(), body);
    const result = await guardedPost({ url, headers, body, timeoutMs, signal }, rules, resolve);
    // What was cut off by our own end is tried again by whoever comes next.
    if (signal.aborted && result.outcome === 'failed') return;
    const verdict = verdictOf(result, webhook, clock.now());
    const outcome = typeof verdict === 'string' ? verdict : 'retried';
    if (outcome !== 'delivered')
      log.warn({ webhook: id, tenant, tries, result, outcome }, 'a webhook was not delivered');
    if (typeof verdict === 'string') await webhookQueue.end(id, clock.now());
    else await webhookQueue.postpone(id, verdict.retryAt);
    metrics.webhooks.inc({ outcome });
  }
}
