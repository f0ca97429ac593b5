/** What has ended goes, what counts stays; on the stores of both editions. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStore } from '@inkwell/adapters/embedded';
import { openMongoStore } from '@inkwell/adapters/mongo';
import { createLog } from '@inkwell/observability';
import { expect, it } from 'vitest';
import { startMongo } from '../../../infra/services/mongo.ts';
import { type HousekeepingOptions, startHousekeeping, tidy } from './housekeeping.ts';

type Stores = Omit<HousekeepingOptions, 'clock' | 'log' | 'everyMs'>;
const dayMs = 86_400_000;
const now = 100 * dayMs;
const clock = { now: () => now };
const rule = { delaysMs: [0], forgetMs: 1_000 };

function session(id: string, expiresAt: number) {
  const base = { userId: 'user_1', kind: 'tokens', secretHash: 'h', generation: 1, ip: '', userAgent: '' } as const;
  return { ...base, id, createdAt: 1, lastUsedAt: 1, expiresAt, revokedAt: null };
}

async function fill({ sessionStore, revocationStore, attemptStore, webhookQueue }: Stores): Promise<void> {
  await sessionStore.create(session('ses_over', now - 1));
  await sessionStore.create(session('ses_live', now + 1));
  await revocationStore.add({ subject: 'key:over', at: 1, expiresAt: now - 1 });
  await revocationStore.add({ subject: 'key:live', at: 1, expiresAt: now + 1 });
  await attemptStore.begin('over', now - 2_000, rule);
  await attemptStore.begin('live', now, rule);
  const webhook = { tenant: 't', url: 'https://example.com/', body: '{}', createdAt: 1 };
  await webhookQueue.add(['over', 'live', 'open'].map((id) => ({ ...webhook, id })));
  await webhookQueue.end('over', now - 8 * dayMs);
  await webhookQueue.end('live', now - 6 * dayMs);
}

async function expectTidied({ sessionStore, revocationStore, webhookQueue }: Stores): Promise<void> {
  expect(await sessionStore.get('ses_over')).toBeUndefined();
  expect(await sessionStore.get('ses_live')).toBeDefined();
  expect((await revocationStore.since(0, 0)).map(({ subject }) => subject)).toEqual(['key:live']);
  // What ended lately is still known: adding it again adds nothing. What still waits is not touched.
  await webhookQueue.add([{ id: 'live', tenant: 't', url: 'https://example.com/', body: '{}', createdAt: 1 }]);
  expect(await webhookQueue.waiting()).toBe(1);
}

it('tidies MongoDB, once and again', async () => {
  const server = await startMongo();
  const store = await openMongoStore({ url: server.url, database: `test-${randomUUID()}`, deadlineMs: 20_000 });
  try {
    await fill(store);
    expect(await tidy({ ...store, clock })).toEqual({ sessions: 1, revocations: 1, attempts: 1, webhooks: 1 });
    await expectTidied(store);
    const log = createLog({ level: 'silent', name: 'test' });
    await store.sessionStore.create(session('ses_over', now - 1));
    const housekeeping = startHousekeeping({ ...store, clock, log, everyMs: 10 });
    await expect.poll(() => store.sessionStore.get('ses_over')).toBeUndefined();
    await housekeeping.stop();
  } finally {
    await store.close();
    await server.stop();
  }
});

it('has its like in the embedded store’s own retention', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-housekeeping-'));
  const store = await openEmbeddedStore({ directory, clock });
  try {
    await fill(store);
    await store.prune(now - dayMs);
    await expectTidied(store);
    // Nothing is left to remove.
    expect(await tidy({ ...store, clock })).toEqual({ sessions: 0, revocations: 0, attempts: 0, webhooks: 0 });
  } finally {
    await store.close();
    await rm(directory, { recursive: true });
  }
});
