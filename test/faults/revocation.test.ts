/**
 * What is revoked at one gateway stops at every gateway: two gateway processes over real Redis, Kafka and MongoDB. In 250 ms for new requests and a
 * second for open streams while Redis carries the news; while Redis is down, as soon as each gateway has read MongoDB again, once a second.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../infra/services/fault-proxy.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import type { RunningService } from '../../infra/services/running-service.ts';
import { ClusterProcess, ownServers } from '../support/cluster-process.ts';
import { testKey } from '../support/product-process.ts';

interface Promised {
  refusedMs: number;
  endedMs: number;
}
const withRedis: Promised = { refusedMs: 250, endedMs: 1_000 };
/** From the request on: its answer waits for the announcement that fails, and there is a second between two readings. */
const withoutRedis: Promised = { refusedMs: 3_000, endedMs: 3_000 };

let redis: RunningService;
let proxy: FaultProxy;
let cluster: ClusterProcess;

beforeAll(async () => {
  redis = await startOwnRedis();
  proxy = await startFaultProxy(redis.url);
  cluster = new ClusterProcess({
    gateways: 2,
    workers: 1,
    env: {
      ...ownServers,
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      INKWELL_BACKEND: 'null',
      INKWELL_NULL_PACE_MS: '100',
    },
  });
  await cluster.start();
  // The first of everything is slower: connections are made, code is compiled.
  await measure('a key', { refusedMs: Number.POSITIVE_INFINITY, endedMs: Number.POSITIVE_INFINITY }, 'answered');
}, 240_000);
afterAll(async () => {
  await cluster?.dispose();
  await proxy?.close();
  await redis?.stop();
}, 60_000);

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
const operator = bearer(testKey);

/** At the first gateway. */
function send(path: string, headers: Record<string, string>, body?: object, method?: string): Promise<Response> {
  return fetch(`${cluster.gateways[0]}${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
}

async function ask<T>(path: string, headers: Record<string, string>, body?: object, method?: string): Promise<T> {
  const response = await send(path, headers, body, method);
  const text = await response.text();
  expect(response.ok, `${path}: ${response.status} ${text}`).toBe(true);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

interface Person {
  id: string;
  access: string;
  refresh: string;
  session: string;
}

async function newPerson(): Promise<Person> {
  const username = `p${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('base64url');
  const { id } = await ask<{ id: string }>('/api/auth/register', {}, { username, password });
  const tokens = await ask<{ access_token: string; refresh_token: string }>(
    '/api/auth/login',
    {},
    { username, password },
  );
  const sessions = await ask<{ data: { id: string }[] }>('/api/auth/sessions', bearer(tokens.access_token));
  return { id, access: tokens.access_token, refresh: tokens.refresh_token, session: sessions.data[0]!.id };
}

async function untilRefused(gateway: string, headers: Record<string, string>, start: number): Promise<number> {
  for (;;) {
    const { status } = await fetch(`${gateway}/v1/models`, { headers, signal: AbortSignal.timeout(10_000) });
    if (status === 401) return performance.now() - start;
    if (performance.now() - start > 30_000) throw new Error('never refused');
    await wait(5);
  }
}

/** A stream of a job that runs for a minute; answers how long after `start` it ended. */
async function openStream(gateway: string, headers: Record<string, string>) {
  const job = { model: 'inkwell-small', prompt: 'x', max_tokens: 500, ignore_eos: true };
  const { id } = await ask<{ id: string }>('/v1/jobs', headers, job);
  const response = await fetch(`${gateway}/v1/jobs/${id}/events`, { headers });
  expect(response.status).toBe(200);
  const reader = response.body!.getReader();
  await reader.read();
  return async (start: number): Promise<number> => {
    for (;;) {
      const { done } = await reader.read().catch(() => ({ done: true }));
      if (done) return performance.now() - start;
    }
  };
}

interface Subject {
  headers: Record<string, string>;
  revoke(): Promise<unknown>;
}

const subjects: Record<string, () => Promise<Subject>> = {
  async 'a key'() {
    const { id, key } = await ask<{ id: string; key: string }>('/api/keys', operator, {
      name: 'doomed',
      tenant: 'doomed',
    });
    return { headers: bearer(key), revoke: () => ask(`/api/keys/${id}`, operator, undefined, 'DELETE') };
  },
  async 'a user'() {
    const { id, access } = await newPerson();
    return {
      headers: bearer(access),
      revoke: () => ask(`/api/admin/users/${id}`, operator, { disabled: true }, 'PATCH'),
    };
  },
  async 'a token, by signing out'() {
    const { access } = await newPerson();
    return { headers: bearer(access), revoke: () => ask('/api/auth/logout', bearer(access), undefined, 'POST') };
  },
  async 'a session'() {
    const { access, session } = await newPerson();
    return {
      headers: bearer(access),
      revoke: () => ask(`/api/auth/sessions/${session}`, bearer(access), undefined, 'DELETE'),
    };
  },
  async 'a family whose spent refresh token came back'() {
    const { access, refresh } = await newPerson();
    await ask('/api/auth/refresh', {}, { refresh_token: refresh });
    return {
      headers: bearer(access),
      async revoke() {
        const { status } = await send('/api/auth/refresh', {}, { refresh_token: refresh });
        expect(status).toBe(401);
      },
    };
  },
};

/** At every gateway, each with a stream of its own, from when the revocation was asked for or answered. */
async function measure(
  name: string,
  promised: Promised,
  from: 'asked' | 'answered',
  beforeRevoking: () => Promise<void> = async () => {},
): Promise<void> {
  const { headers, revoke } = await subjects[name]!();
  for (const gateway of cluster.gateways) expect((await fetch(`${gateway}/v1/models`, { headers })).status).toBe(200);
  const streams = await Promise.all(cluster.gateways.map((gateway) => openStream(gateway, headers)));
  await beforeRevoking();
  const askedAt = performance.now();
  await revoke();
  const answeredAt = performance.now();
  const start = from === 'asked' ? askedAt : answeredAt;
  const [refused, ended] = await Promise.all([
    Promise.all(cluster.gateways.map((gateway) => untilRefused(gateway, headers, start))),
    Promise.all(streams.map((untilEnded) => untilEnded(start))),
  ]);
  const shown = (times: number[]) => times.map((ms) => ms.toFixed(0)).join(' and ');
  const wait = `answered after ${(answeredAt - askedAt).toFixed(0)} ms`;
  console.log(
    `${name}: ${wait}; since ${from}: refused after ${shown(refused)} ms, streams ended after ${shown(ended)} ms`,
  );
  expect(Math.max(...refused)).toBeLessThanOrEqual(promised.refusedMs);
  expect(Math.max(...ended)).toBeLessThanOrEqual(promised.endedMs);
}

describe.each(Object.keys(subjects))('revoking %s stops at every gateway', (name) => {
  it('at once', () => measure(name, withRedis, 'answered'));
  it('within seconds while Redis is down', async () => {
    try {
      await measure(name, withoutRedis, 'asked', () => proxy.inflict({ kind: 'cut' }));
    } finally {
      await proxy.heal();
      await ready();
    }
  });
});

/** Until jobs can be made again at every gateway. */
async function ready(): Promise<void> {
  for (const gateway of cluster.gateways) {
    await expect
      .poll(async () => (await fetch(`${gateway}/api/health/readiness`)).status, { timeout: 20_000 })
      .toBe(200);
  }
}
