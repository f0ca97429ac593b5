/** Two gateways that share one Redis grant together what one may grant, whatever arrives at both at once. */
import { randomUUID } from 'node:crypto';
import { openRedisStore } from '@inkwell/adapters/redis';
import { noRates } from '@inkwell/limits';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis } from '../../../../infra/services/redis.ts';
import type { RunningService } from '../../../../infra/services/running-service.ts';
import { type Rig, startRig, testModel } from '../testing/rig.ts';

type RedisStore = Awaited<ReturnType<typeof openRedisStore>>;

let server: RunningService;
let stores: RedisStore[];
let rigs: Rig[];

beforeAll(async () => {
  server = await startRedis();
  const prefix = `test-${randomUUID()}:`;
  const open = () => openRedisStore({ url: server.url, prefix, retentionMs: 86_400_000 });
  stores = await Promise.all([open(), open()]);
  const rates = {
    ipRequestsPerMinute: null,
    readsPerMinute: null,
    user: noRates,
    key: { ...noRates, requestsPerMinute: 23 },
  };
  rigs = await Promise.all(
    stores.map(({ rateLimiter }) =>
      startRig({
        config: { rates, dependencyTimeoutMs: 30_000, requestBudgetMs: 60_000 },
        wrapPorts: (ports) => ({ ...ports, rateLimiter }),
      }),
    ),
  );
});
afterAll(async () => {
  await Promise.all(rigs.map((rig) => rig.close()));
  await Promise.all(stores.map((store) => store.close()));
  await server.stop();
});

/** The same key at both gateways: its id is what is counted. */
async function keysWith(changes: Parameters<Rig['addKey']>[2]): Promise<string[]> {
  const id = `key_${randomUUID().replaceAll('-', '')}`;
  return Promise.all(rigs.map((rig) => rig.addKey('acme', 'user', { id, ...changes })));
}

async function flood(keys: string[], bodies: object[]): Promise<Response[]> {
  return Promise.all(
    bodies.map((body, index) => rigs[index % 2]!.request('/v1/jobs', { body, key: keys[index % 2]! })),
  );
}

it('grants exactly N of 200 requests at once over both', async () => {
  const keys = await keysWith({});
  const answers = await flood(keys, Array(200).fill({ model: testModel, prompt: 'Hello', max_tokens: 4 }));
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(23);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(177);
});

it('grants never more than L tokens of 200 requests at once over both, and what was settled by one to the other', async () => {
  const keys = await keysWith({ limits: { requestsPerMinute: 100_000, tokensPerMinute: 1_000 } });
  const bodies = Array.from({ length: 200 }, (_, index) => ({
    model: testModel,
    prompt: 'Hello',
    max_tokens: 9 + (index % 40),
  }));
  const answers = await flood(keys, bodies);
  const granted = bodies.filter((_, index) => answers[index]!.status === 202);
  const sum = granted.reduce((total, { max_tokens }) => total + max_tokens + 1, 0);
  expect(sum).toBeLessThanOrEqual(1_000);
  expect(sum).toBeGreaterThan(1_000 - 50);
  expect(answers.filter(({ status }) => status !== 202 && status !== 429)).toEqual([]);
  for (const [index, answer] of answers.entries()) {
    if (answer.status !== 202) continue;
    const { id } = (await answer.json()) as { id: string };
    const path = `/v1/jobs/${id}/cancel`;
    const cancelled = await rigs[index % 2]!.request(path, { method: 'POST', key: keys[index % 2]! });
    expect(cancelled.status).toBe(200);
  }
  const whole = await rigs[1]!.request('/v1/jobs', { body: { ...bodies[0], max_tokens: 999 }, key: keys[1]! });
  expect(whole.status).toBe(202);
});
