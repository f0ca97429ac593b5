import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testContextLength, testModel } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ workerStats: () => ({ tokensPerSecond: 1_000, jobsPerSecond: 2, ready: true }) });
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'Hello world' };

function create(body: object, headers?: Record<string, string>) {
  return rig.json('/v1/jobs', { body: { ...request, ...body }, headers });
}

async function recordOf(id: string) {
  const record = await rig.ports.jobStore.get(`alice:${id}` as never);
  return record!;
}

describe('POST /v1/jobs 202', () => {
  it('answers the whole resource with its links once the job is durable', async () => {
    const { status, headers, body } = await create({ metadata: { team: 'a' }, priority: 'batch' });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(body.status_url);
    expect(body).toMatchObject({
      object: 'job',
      status: 'queued',
      model: testModel,
      priority: 'batch',
      started_at: null,
      finished_at: null,
      attempts: 0,
      position: 1,
      metadata: { team: 'a' },
      usage: null,
      result: null,
      error: null,
      status_url: `/v1/jobs/${body.id}`,
      events_url: `/v1/jobs/${body.id}/events`,
      cancel_url: `/v1/jobs/${body.id}/cancel`,
    });
    expect(body.created_at).toBeCloseTo(Date.now() / 1_000, -1);
    expect((await recordOf(body.id)).state).toBe('queued');
    expect(await rig.ports.resultStream.last(`alice:${body.id}` as never)).toMatchObject({
      type: 'job.queued',
      seq: 1,
    });
  });

  it('fills in the defaults of the product and records the seed it chose', async () => {
    const { spec, costTokens, onDisconnect, priority } = await recordOf((await create({})).body.id);
    expect(spec).toMatchObject({ maxTokens: 100, n: 1, bestOf: 1, stop: [], logprobs: null, echo: false });
    expect(spec.sampling).toMatchObject({ temperature: 1, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1 });
    expect(Number.isSafeInteger(spec.sampling.seed)).toBe(true);
    expect(costTokens).toBe(spec.prompts[0]!.length + 100);
    expect([onDisconnect, priority]).toEqual(['continue', 'standard']);
    const other = await recordOf((await create({})).body.id);
    expect(other.spec.sampling.seed).not.toBe(spec.sampling.seed);
    const given = await recordOf((await create({ seed: -9_007_199_254_740_991 })).body.id);
    expect(given.spec.sampling.seed).toBe(-9_007_199_254_740_991);
  });

  it('takes null for "not given", as the OpenAI API does', async () => {
    const nothing = { max_tokens: null, temperature: null, stop: null, logprobs: null, seed: null, logit_bias: null };
    const { spec } = await recordOf((await create(nothing)).body.id);
    expect(spec).toMatchObject({ maxTokens: 100, stop: [], logprobs: null });
  });

  it('counts what a job may cost over all its sequences', async () => {
    const { costTokens, spec } = await recordOf(
      (await create({ prompt: [[1, 2, 3], [4]], max_tokens: 10, n: 2, best_of: 3 })).body.id,
    );
    expect(spec.prompts).toEqual([[1, 2, 3], [4]]);
    expect(costTokens).toBe(3 * (3 + 10) + 3 * (1 + 10));
  });

  it('takes what the context has left when the client names no max_tokens', async () => {
    const { spec } = await recordOf((await create({ prompt: Array(testContextLength - 7).fill(5) })).body.id);
    expect(spec.maxTokens).toBe(7);
  });

  it('places the job in line and estimates its start from measured throughput', async () => {
    const first = (await create({ priority: 'interactive' })).body;
    const second = (await create({ priority: 'interactive' })).body;
    expect(Number(second.position)).toBe(Number(first.position) + 1);
    expect(Number(second.estimated_start_at) - Number(first.estimated_start_at)).toBeCloseTo(0.5, 0);
    expect(Number(second.estimated_finish_at)).toBeGreaterThan(Number(second.estimated_start_at));
  });

  it('takes the earlier of deadline and Cancel-After, and also a deadline that has passed', async () => {
    const soon = Date.now() / 1_000 + 10;
    const { body } = await create({ deadline: soon + 1_000 }, { 'cancel-after': '10' });
    expect(Number(body.deadline_at)).toBeCloseTo(soon, 0);
    const past = await create({ deadline: 1.5 });
    expect([past.status, past.body.deadline_at]).toEqual([202, 1.5]);
  });
});

describe('POST /v1/jobs 4xx, nothing queued', () => {
  it('says which number to change when prompt and max_tokens do not fit the context', async () => {
    const long = Array(testContextLength - 10).fill(5);
    const tokens = await create({ prompt: long, max_tokens: 11 });
    expect(tokens.body.error).toMatchObject({ code: 'context_length_exceeded', param: 'max_tokens' });
    expect(tokens.body.error.message).toContain('at most 10');
    const prompt = await create({ prompt: [...long, ...long] });
    expect(prompt.body.error).toMatchObject({ code: 'context_length_exceeded', param: 'prompt' });
    expect(prompt.body.error.message).toContain(`at least ${testContextLength - 20 + 1} tokens`);
    expect((await create({ prompt: long, max_tokens: 10 })).status).toBe(202);
  });

  it('is 404 for an unknown model', async () => {
    const { status, body } = await create({ model: 'gpt-5' });
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ code: 'model_not_found', param: 'model' });
  });

  it.each([
    [{ prompt: '' }, 'prompt'],
    [{ prompt: 'x'.repeat(10_001) }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', ''] }, 'prompt.1'],
    [{ prompt: ['a', 1] }, 'prompt.1'],
    [{ prompt: [1, 'a'] }, 'prompt.1'],
    [{ prompt: [1, -1] }, 'prompt.1'],
    [{ prompt: [1.5] }, 'prompt.0'],
    [{ prompt: [[1], []] }, 'prompt.1'],
    [{ prompt: [[1], [50_257]] }, 'prompt.1.0'],
    [{ prompt: Array(17).fill('a') }, 'prompt'],
    [{ prompt: 7 }, 'prompt'],
    [{ prompt: Array(16).fill('a'), n: 3 }, 'prompt'],
    [{ best_of: 1, n: 2 }, 'best_of'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 4_097 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ temperature: 2.01 }, 'temperature'],
    [{ temperature: -0.01 }, 'temperature'],
    [{ top_p: 1.01 }, 'top_p'],
    [{ n: 0 }, 'n'],
    [{ n: 6 }, 'n'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    [{ stop: '' }, 'stop'],
    [{ stop: ['x', 'y'.repeat(65)] }, 'stop.1'],
    [{ logprobs: 6 }, 'logprobs'],
    [{ logit_bias: { 50257: 1 } }, 'logit_bias.50257'],
    [{ logit_bias: { abc: 1 } }, 'logit_bias.abc'],
    [{ logit_bias: { 1: 101 } }, 'logit_bias.1'],
    [{ presence_penalty: 2.1 }, 'presence_penalty'],
    [{ frequency_penalty: '0' }, 'frequency_penalty'],
    [{ seed: 2 ** 53 }, 'seed'],
    [{ priority: 'urgent' }, 'priority'],
    [{ metadata: { ['k'.repeat(65)]: 'v' } }, `metadata.${'k'.repeat(65)}`],
    [{ metadata: { k: 'v'.repeat(513) } }, 'metadata.k'],
    [{ metadata: { k: 1 } }, 'metadata.k'],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }, 'metadata'],
    [{ deadline: 1_700_000_000_000 }, 'deadline'],
    [{ deadline: '2030-01-01' }, 'deadline'],
    [{ on_disconnect: 'maybe' }, 'on_disconnect'],
    [{ webhook: 'http://example.com' }, 'webhook'],
    [{ stream: true }, 'stream'],
    [{ suffix: 'x' }, 'suffix'],
    [{ top_k: -1 }, 'top_k'],
    [{ min_p: 2 }, 'min_p'],
    [{ repetition_penalty: 0 }, 'repetition_penalty'],
    [{ model: undefined }, 'model'],
    [{ prompt: undefined }, 'prompt'],
  ])('refuses %j and names %s', async (change, param) => {
    const before = await rig.ports.jobStore.counts();
    const { status, body } = await create(change);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', param });
    expect(await rig.ports.jobStore.counts()).toEqual(before);
  });

  it('counts characters, not UTF-16 units', async () => {
    expect((await create({ prompt: '😀'.repeat(300), max_tokens: 1 })).status).toBe(202);
    expect((await create({ prompt: '😀'.repeat(10_000) })).body.error.code).toBe('context_length_exceeded');
    expect((await create({ prompt: '😀'.repeat(10_001) })).body.error.code).toBe('invalid_parameter');
  });

  it('refuses bodies that are not an object, and headers that make no sense', async () => {
    for (const body of ['[]', '"text"', 'null', '7']) {
      const response = await rig.json('/v1/jobs', { body });
      expect([response.status, response.body.error.param]).toEqual([400, 'body']);
    }
    for (const [name, value] of [
      ['cancel-after', 'soon'],
      ['cancel-after', '-1'],
      ['idempotency-key', 'a b'],
    ] as const) {
      const { status, body } = await create({}, { [name]: value });
      expect([status, body.error.code, body.error.param?.toLowerCase()]).toEqual([400, 'invalid_header', name]);
    }
  });
});

describe('POST /v1/jobs 429 and 503', () => {
  it('refuses at once beyond the limits, with a Retry-After from measured throughput and nothing left behind', async () => {
    const small = await startRig({
      config: { limits: { maxQueued: 3, maxQueuedPerTenant: 2 } },
      workerStats: () => ({ tokensPerSecond: 100, jobsPerSecond: 0.02, ready: true }),
    });
    try {
      const post = (key: string) => small.json('/v1/jobs', { body: request, key });
      const [bob, carol] = [await small.addKey('bob'), await small.addKey('carol')];
      expect([(await post(bob)).status, (await post(bob)).status]).toEqual([202, 202]);
      const tenant = await post(bob);
      expect([tenant.status, tenant.headers.get('retry-after')]).toEqual([429, '10']);
      expect(tenant.headers.get('x-should-retry')).toBeNull();
      expect(tenant.body.error).toMatchObject({
        code: 'tenant_queue_full',
        type: 'rate_limit_error',
      });
      expect((await post(carol)).status).toBe(202);
      const queue = await post(carol);
      expect([queue.status, queue.headers.get('retry-after')]).toEqual([503, '15']);
      expect(queue.body.error.code).toBe('queue_full');
      expect((await small.ports.jobStore.counts()).queued.standard).toBe(3);
    } finally {
      await small.close();
    }
  });

  it('answers 503 dependency_unavailable, not a hang, when the store does not answer', async () => {
    const broken = await startRig({
      config: { dependencyTimeoutMs: 50 },
      wrapPorts: (ports) => ({
        ...ports,
        jobSteps: { ...ports.jobSteps, accept: () => new Promise(() => {}) },
        jobStore: { ...ports.jobStore, list: () => Promise.reject(new Error('SQLITE_FULL')) },
      }),
    });
    try {
      const hanging = await broken.json('/v1/jobs', { body: request });
      expect([hanging.status, hanging.headers.get('retry-after')]).toEqual([503, '1']);
      const failing = await broken.json('/v1/jobs');
      expect(failing.status).toBe(503);
      expect(failing.body.error).toEqual({
        message: 'A service this request needs is not available.',
        type: 'server_error',
        param: null,
        code: 'dependency_unavailable',
      });
    } finally {
      await broken.close();
    }
  });
});
