/** Limits as clients meet them: what counts, what is told, what comes back, and that nobody is throttled by surprise. */
import type { LimitOverrides } from '@inkwell/contracts';
import { noRates } from '@inkwell/limits';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({
    config: {
      rates: {
        ipRequestsPerMinute: null,
        readsPerMinute: 300,
        user: { ...noRates, requestsPerMinute: 10 },
        key: { ...noRates, requestsPerMinute: 5 },
      },
    },
  });
});
afterAll(() => rig.close());

let tenants = 0;
const keyWith = (limits: LimitOverrides | null, role: 'user' | 'operator' | 'superuser' = 'user') =>
  rig.addKey(`limited-${++tenants}`, role, { limits });
const job = { model: testModel, prompt: 'Hello', max_tokens: 9 };
const create = (key: string, body: object = job, headers = {}) => rig.json('/v1/jobs', { body, key, headers });
const statuses = async (count: number, call: () => Promise<{ status: number }>) =>
  (await Promise.all(Array.from({ length: count }, call))).map(({ status }) => status).sort();

describe('requests per minute', () => {
  it('are granted as often as configured, and the refusal says when to come back', async () => {
    const key = await keyWith(null);
    expect(await statuses(12, () => create(key))).toEqual([...Array(5).fill(202), ...Array(7).fill(429)]);
    const { status, headers, body } = await create(key);
    expect(status).toBe(429);
    expect(body.error).toEqual({
      code: 'rate_limit_exceeded',
      type: 'rate_limit_error',
      param: null,
      message: 'The limit of 5 requests per minute for this API key is reached.',
    });
    const retryAfter = Number(headers.get('retry-after'));
    expect(retryAfter).toBeGreaterThan(50);
    expect(retryAfter).toBeLessThanOrEqual(63);
    expect(headers.get('x-should-retry')).toBeNull();
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('0');
  });

  it('tell on every creating answer how much is left, streams included', async () => {
    const key = await keyWith(null);
    const first = await create(key);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('5');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('4');
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^6[0-3]s$/);
    expect(first.headers.get('ratelimit-policy')).toBe('"key-requests-minute";q=5;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"key-requests-minute";r=4;t=6[0-3]$/);
    const gone = new AbortController();
    const stream = await rig.request('/v1/completions', { body: { ...job, stream: true }, key, signal: gone.signal });
    expect(stream.headers.get('x-ratelimit-remaining-requests')).toBe('3');
    gone.abort();
  });

  it('are not used up by reading, by bad requests, or by what a refusal for another reason says', async () => {
    const key = await keyWith({ requestsPerMinute: 2 });
    const { body } = await create(key);
    for (let round = 0; round < 20; round++) {
      expect((await rig.json(`/v1/jobs/${body.id}`, { key })).status).toBe(200);
      expect((await create(key, { ...job, max_tokens: 0 })).status).toBe(400);
      expect((await create(key, { ...job, model: 'unknown' })).status).toBe(404);
    }
    expect((await rig.json(`/v1/jobs/${body.id}/cancel`, { method: 'POST', key })).status).toBe(200);
    expect((await create(key)).status).toBe(202);
    expect((await create(key)).status).toBe(429);
  });

  it('count a repeat of an Idempotency-Key once, and a refused one may be repeated', async () => {
    const key = await keyWith({ requestsPerMinute: 2 });
    const repeat = { 'idempotency-key': 'once' };
    const ids = new Set<string>();
    for (let round = 0; round < 6; round++) ids.add((await create(key, job, repeat)).body.id);
    expect(ids.size).toBe(1);
    expect((await create(key)).status).toBe(202);
    const refused = { 'idempotency-key': 'refused' };
    expect((await create(key, job, refused)).status).toBe(429);
    const record = (await rig.ports.keyStore.list()).find(({ tenant }) => tenant === `limited-${tenants}`)!;
    const limit = { name: `key:${record.id}:requests`, unit: 'requests', window: 'minute', amount: 2 } as const;
    await rig.ports.rateLimiter.reset([limit]);
    expect((await create(key, job, refused)).status).toBe(202);
  });

  it('bind no superuser unless their record says so', async () => {
    expect(await statuses(40, () => create(rig.key))).toEqual(Array(40).fill(202));
    expect((await create(rig.key)).headers.get('ratelimit')).toBeNull();
    const bound = await keyWith({ requestsPerMinute: 1 }, 'superuser');
    expect(await statuses(3, () => create(bound))).toEqual([202, 429, 429]);
  });

  it('are shown to the OpenAI SDK as its own rate limit error', async () => {
    const apiKey = await keyWith({ requestsPerMinute: 1 });
    await create(apiKey);
    const client = new OpenAI({ apiKey, baseURL: `${rig.url}/v1`, maxRetries: 0 });
    const refused = client.completions.create({ model: testModel, prompt: 'x' });
    await expect(refused).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  });
});

describe('tokens', () => {
  const cost = 10; // one prompt token and nine to generate

  it('are reserved when a job is accepted and settled when it ends', async () => {
    const key = await keyWith({ tokensPerMinute: 25 });
    const first = await create(key);
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe(String(25 - cost));
    expect((await create(key)).status).toBe(202);
    const refused = await create(key);
    expect([refused.status, refused.body.error.code]).toEqual([429, 'token_limit_exceeded']);
    expect((await rig.json(`/v1/jobs/${first.body.id}/cancel`, { method: 'POST', key })).status).toBe(200);
    expect((await create(key)).status).toBe(202);
  });

  it('name the number to change when a request could never fit', async () => {
    const key = await keyWith({ tokensPerMinute: 20, tokensPerDay: 1_000 });
    const tooLarge = await create(key, { ...job, max_tokens: 30 });
    expect(tooLarge.status).toBe(400);
    expect(tooLarge.body.error).toMatchObject({ code: 'invalid_parameter', param: 'max_tokens' });
    expect(tooLarge.body.error.message).toContain('at most 19 would fit');
    expect((await create(key, { ...job, max_tokens: 19 })).status).toBe(202);
    const longPrompt = await create(key, { ...job, prompt: 'word '.repeat(40), max_tokens: 1 });
    expect(longPrompt.body.error).toMatchObject({ code: 'invalid_parameter', param: 'prompt' });
  });

  it('have budgets whose refusal no retry helps', async () => {
    const key = await keyWith({ tokensPerMonth: cost });
    await create(key);
    const { status, headers, body } = await create(key);
    expect([status, body.error.code, headers.get('x-should-retry')]).toEqual([429, 'budget_exceeded', 'false']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(60);
  });

  it('are given back when the queue has no room', async () => {
    const own = await startRig({ config: { limits: { maxQueued: 1, maxQueuedPerTenant: 1 } } });
    try {
      const key = await own.addKey('bob', 'user', { limits: { tokensPerDay: 1_000 } });
      const left = [];
      for (let round = 0; round < 4; round++) {
        const response = await own.request('/v1/jobs', { body: job, key });
        left.push([response.status, response.headers.get('x-ratelimit-remaining-tokens')]);
      }
      expect(left).toEqual([[202, '990'], ...Array(3).fill([429, '980'])]);
    } finally {
      await own.close();
    }
  });

  it('are reserved once for a PUT that is sent again and again, and not at all once its job has ended', async () => {
    const key = await keyWith({ tokensPerDay: 100, requestsPerMinute: 100 });
    const put = () => rig.json('/v1/jobs/mine', { method: 'PUT', body: job, key });
    for (let round = 0; round < 5; round++) {
      expect((await put()).headers.get('x-ratelimit-remaining-tokens')).toBe('90');
    }
    await rig.json('/v1/jobs/mine/cancel', { method: 'POST', key });
    for (let round = 0; round < 3; round++) expect((await put()).status).toBe(202);
    expect((await create(key)).headers.get('x-ratelimit-remaining-tokens')).toBe('90');
  });
});

describe('reading', () => {
  it('has a generous gate of its own', async () => {
    const key = await keyWith(null);
    const read = () => rig.request('/v1/models', { key });
    const answers = await statuses(320, read);
    expect(answers.filter((status) => status === 200)).toHaveLength(300);
    const refused = await rig.json('/v1/models', { key });
    expect(refused.body.error.code).toBe('rate_limit_exceeded');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await create(key)).status).toBe(202);
  });
});

describe('addresses', () => {
  it('are limited where that is switched on, and a client cannot choose its own', async () => {
    const rates = { ipRequestsPerMinute: 3, readsPerMinute: null, user: noRates, key: noRates };
    const config = { rates, trustedProxies: ['127.0.0.1'] };
    const [direct, proxied] = await Promise.all([startRig({ config: { rates } }), startRig({ config })]);
    try {
      const from = (own: Rig, forwarded: string) =>
        own.request('/v1/jobs', { body: job, headers: { 'x-forwarded-for': forwarded } });
      let address = 0;
      expect(await statuses(6, () => from(direct, `1.1.1.${++address}`))).toEqual([202, 202, 202, 429, 429, 429]);
      expect(await statuses(6, () => from(proxied, `7.7.7.${++address}, 1.1.1.1`))).toEqual([
        202, 202, 202, 429, 429, 429,
      ]);
      expect((await from(proxied, '2.2.2.2')).status).toBe(202);
    } finally {
      await Promise.all([direct.close(), proxied.close()]);
    }
  });
});

describe('roles', () => {
  it('bound what may be asked for, and the refusal names the field', async () => {
    const [user, operator] = [await keyWith(null), await keyWith(null, 'operator')];
    const urgent = { ...job, priority: 'interactive' };
    const refused = await create(user, urgent);
    expect([refused.status, refused.body.error.code, refused.body.error.param]).toEqual([
      403,
      'insufficient_scope',
      'priority',
    ]);
    expect((await create(operator, urgent)).status).toBe(202);
    const many = await create(user, { ...job, max_tokens: 3_000 });
    expect([many.status, many.body.error.param]).toEqual([400, 'max_tokens']);
    expect(many.body.error.message).toContain('2048');
  });
});
