/** Webhooks from the fact that a job ended to the receiver's door, over the real store and real connections. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '@inkwell/adapters/embedded';
import { type JobEnded, jobKey } from '@inkwell/contracts';
import { createLog, createMetrics, type Metrics } from '@inkwell/observability';
import { webhookSecretOf } from '@inkwell/safety';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verdictOf } from './verdict.ts';
import { webhookOf } from './webhook-message.ts';
import { startWebhookSender, type WebhookSender } from './webhook-sender.ts';

const serverSecret = 'a server secret of the tests, 32 bytes or more';
const hour = 3_600_000;
let directory: string;
let store: EmbeddedStore;
let server: Server;
let url: string;
let now: number;
let sender: WebhookSender | undefined;
let metrics: Metrics;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let received: { id: string; message: { type: string; data: { id: string } } }[];
let onReceived: () => void;

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const headers = request.headers as Record<string, string>;
  // Throws for a wrong signature; the receiver would see nothing then.
  const { tenant } = (JSON.parse(body) as { data: { id: string } }).data.id.startsWith('slow')
    ? { tenant: 'slow' }
    : { tenant: 'alice' };
  const message = new Webhook(webhookSecretOf(serverSecret, tenant)).verify(body, headers) as {
    type: string;
    data: { id: string };
  };
  received.push({ id: headers['webhook-id']!, message });
  answer(request, response);
  onReceived();
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-webhooks-'));
  now = Date.now();
  store = await openEmbeddedStore({ directory, clock: { now: () => now } });
  received = [];
  metrics = createMetrics();
  onReceived = () => {};
  answer = (_, response) => response.writeHead(204).end();
  server = createServer((request, response) => void receive(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterEach(async () => {
  await sender?.stop();
  sender = undefined;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await store.close();
  await rm(directory, { recursive: true });
});

function start(): WebhookSender {
  sender = startWebhookSender({
    webhookQueue: store.webhookQueue,
    serverSecret,
    rules: { allowedHosts: new Set([new URL(url).host]) },
    clock: { now: () => now },
    log: createLog({ level: 'silent', name: 'test' }),
    metrics,
    pollMs: 5,
  });
  return sender;
}

const ended = (id: string, webhook: string | undefined = url, tenant = 'alice'): JobEnded =>
  ({
    key: jobKey(tenant, id),
    tenant,
    jobId: id,
    state: 'completed',
    model: 'm',
    priority: 'standard',
    reason: null,
    usage: { promptTokens: 1, completionTokens: 2 },
    createdAt: now - 2,
    startedAt: now - 1,
    finishedAt: now,
    webhook,
  }) as JobEnded;

const arrivals = (count: number) =>
  new Promise<void>((resolve) => {
    onReceived = () => received.length >= count && resolve();
    onReceived();
  });
const retried = async () =>
  (await metrics.webhooks.get()).values.find(({ labels }) => labels.outcome === 'retried')?.value ?? 0;
const settled = () => expect.poll(() => store.webhookQueue.waiting()).toBe(0);

describe('webhooks', () => {
  it('arrive once, signed so that the public library accepts them, and say how the job ended', async () => {
    for (const id of ['job_1', 'my.own~id', 'job_1']) await store.webhookQueue.add([webhookOf(ended(id), now)!]);
    start();
    await settled();
    expect(received.map(({ message }) => message.data.id).sort()).toEqual(['job_1', 'my.own~id']);
    expect(received[0]!.message).toMatchObject({
      type: 'job.completed',
      data: { object: 'job', usage: { total_tokens: 3 } },
    });
    expect(received.every(({ id }) => /^msg_[\w-]+$/.test(id))).toBe(true);
    const { webhook: _, ...silent } = ended('job_2');
    expect(webhookOf(silent, now)).toBeNull();
  });

  it('are tried again after growing pauses until the receiver takes them', async () => {
    const statuses = [500, 302, 429, 200];
    answer = (_, response) => response.writeHead(statuses[received.length - 1]!, { location: url }).end();
    await store.webhookQueue.add([webhookOf(ended('job_1'), now)!]);
    start();
    for (const [i, pauseMs] of [1_000, 5_000, 30_000].entries()) {
      await arrivals(i + 1);
      await expect.poll(retried).toBe(i + 1);
      // It is not due a moment before its time.
      expect(await store.webhookQueue.claim({ now: now + pauseMs - 1, limit: 9, againAt: now })).toEqual([]);
      now += pauseMs;
    }
    await settled();
    expect(received).toHaveLength(4);
    expect(new Set(received.map(({ id }) => id)).size).toBe(1);
  });

  it('are not lost by a sender that dies while sending', async () => {
    const webhook = webhookOf(ended('job_1'), now)!;
    await store.webhookQueue.add([webhook]);
    // Claimed by one that is never heard of again.
    expect(await store.webhookQueue.claim({ now, limit: 9, againAt: now + 60_000 })).toHaveLength(1);
    await store.close();
    store = await openEmbeddedStore({ directory, clock: { now: () => now } });
    now += 60_000;
    start();
    await settled();
    expect(received.map(({ id }) => id)).toEqual([webhook.id]);
  });

  it('that a sender was stopped in the middle of go on with the next', async () => {
    answer = () => {};
    await store.webhookQueue.add([webhookOf(ended('job_1'), now)!]);
    start();
    await arrivals(1);
    await sender!.stop();
    expect(await store.webhookQueue.waiting()).toBe(1);
    answer = (_, response) => response.writeHead(200).end();
    now += 60_000;
    start();
    await settled();
    expect(received).toHaveLength(2);
  });

  it('of a tenant whose receiver never answers hold up nobody else’s', async () => {
    answer = (request, response) => {
      if (request.url !== '/slow') response.writeHead(204).end();
    };
    const slow = Array.from(
      { length: 100 },
      (_, n) => webhookOf(ended(`slow_${n}`, `${url.slice(0, -4)}slow`, 'slow'), now)!,
    );
    await store.webhookQueue.add(slow);
    start();
    await arrivals(8);
    await store.webhookQueue.add([webhookOf(ended('job_1'), now)!]);
    sender!.wake();
    await arrivals(9);
    expect(received.at(-1)?.message.data.id).toBe('job_1');
    await expect.poll(() => store.webhookQueue.waiting()).toBe(100);
  });

  it('to an address inside are given up without a connection', async () => {
    await store.webhookQueue.add([webhookOf(ended('job_1', 'https://127.0.0.1:1/'), now)!]);
    await store.webhookQueue.add([webhookOf(ended('job_2', 'https://localhost:1/'), now)!]);
    start();
    await settled();
    expect(received).toEqual([]);
  });
});

describe('the verdict on a try', () => {
  const failed = { outcome: 'failed', reason: 'x' } as const;
  const webhook = { id: 'm', tenant: 't', url: '', body: '', createdAt: 0 };
  it('gives up after 24 hours of tries, not before, and at once when the receiver is gone', () => {
    let at = 0;
    let tries = 1;
    for (; ; tries++) {
      const verdict = verdictOf(failed, { ...webhook, tries }, at);
      if (verdict === 'given_up') break;
      if (verdict === 'delivered') throw new Error('delivered');
      expect(verdict.retryAt).toBeGreaterThan(at);
      at = verdict.retryAt;
    }
    expect(at).toBeGreaterThan(16 * hour);
    expect(at).toBeLessThanOrEqual(24 * hour);
    expect(tries).toBeGreaterThan(8);
    expect(verdictOf({ outcome: 'answered', status: 410 }, { ...webhook, tries: 1 }, 0)).toBe('given_up');
    expect(verdictOf({ outcome: 'answered', status: 404 }, { ...webhook, tries: 1 }, 0)).toEqual({ retryAt: 1_000 });
    expect(verdictOf({ outcome: 'answered', status: 299 }, { ...webhook, tries: 1 }, 0)).toBe('delivered');
  });
});
