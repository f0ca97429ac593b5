/** Kept answers: the same again for the same tenant and request, never anything else for anybody. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';
import { ResponseCache } from './response-cache.ts';

let rig: Rig;
let runs = 0;
beforeAll(async () => {
  rig = await startRig();
  await rig.serveJobs(async (worker) => {
    runs += 1;
    await worker.say({ delta: `run ${runs}`, finishReason: 'stop' });
    await worker.end('completed');
  });
});
afterAll(() => rig.close());

const use = { 'x-inkwell-cache': 'use' };
let prompts = 0;
/** A request nobody made before. */
const fresh = (changes: object = {}) => ({
  model: testModel,
  prompt: `Hello ${++prompts}`,
  temperature: 0,
  ...changes,
});
const complete = (body: object, headers: Record<string, string> = use, key?: string) =>
  rig.json('/v1/completions', { body, headers, key });

describe('X-Inkwell-Cache: use', () => {
  it('gives the first answer again without a run: same text, id, job and usage', async () => {
    const body = fresh();
    const [first, second] = [await complete(body), await complete(body)];
    expect([first.headers.get('x-inkwell-cache'), second.headers.get('x-inkwell-cache')]).toEqual(['miss', 'hit']);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(second.headers.get('x-inkwell-job-id')).toBe(first.headers.get('x-inkwell-job-id'));
    const { body: jobs } = await rig.json('/v1/jobs?limit=100');
    expect(jobs.data.filter(({ id }) => id === first.headers.get('x-inkwell-job-id'))).toHaveLength(1);
  });

  it('never gives one tenant what another asked for', async () => {
    const body = fresh();
    const own = await complete(body);
    const bob = await complete(body, use, await rig.addKey('bob'));
    expect(bob.headers.get('x-inkwell-cache')).toBe('miss');
    expect(bob.body.choices[0]!.text).not.toBe(own.body.choices[0]!.text);
    expect(bob.headers.get('x-inkwell-job-id')).not.toBe(own.headers.get('x-inkwell-job-id'));
    // A key of the same tenant shares them.
    const other = await complete(body, use, await rig.addKey('alice'));
    expect([other.headers.get('x-inkwell-cache'), other.body]).toEqual(['hit', own.body]);
  });

  it.each<[string, object]>([
    ['prompt', { prompt: 'another' }],
    ['max_tokens', { max_tokens: 7 }],
    ['stop', { stop: ['x'] }],
    ['n', { n: 2 }],
    ['echo', { echo: true }],
    ['logprobs', { logprobs: 1 }],
    ['logit_bias', { logit_bias: { 5: 1 } }],
    ['penalties', { presence_penalty: 1 }],
    ['temperature', { temperature: 0.5, seed: 1 }],
    ['seed of a sampled request', { temperature: 0.5, seed: 2 }],
  ])('asks anew for another %s', async (_, change) => {
    const body = fresh();
    await complete({ ...body, temperature: 0.5, seed: 3 });
    await complete(body);
    expect((await complete({ ...body, ...change })).headers.get('x-inkwell-cache')).toBe('miss');
    expect((await complete(body)).headers.get('x-inkwell-cache')).toBe('hit');
  });

  it('keeps what is greedy whatever its seed, and what is sampled only with one', async () => {
    const greedy = fresh();
    await complete({ ...greedy, seed: 1 });
    expect((await complete({ ...greedy, seed: 2 })).headers.get('x-inkwell-cache')).toBe('hit');
    const seeded = fresh({ temperature: 1, seed: 1 });
    await complete(seeded);
    expect((await complete(seeded)).headers.get('x-inkwell-cache')).toBe('hit');
    const random = fresh({ temperature: 1 });
    const [a, b] = [await complete(random), await complete(random)];
    expect(b.headers.get('x-inkwell-cache')).toBe('miss');
    expect(b.body.choices[0]!.text).not.toBe(a.body.choices[0]!.text);
  });

  it('is asked for or not used: without the header every request runs', async () => {
    const body = fresh();
    await complete(body);
    const plain = await complete(body, {});
    expect(plain.headers.get('x-inkwell-cache')).toBeNull();
    expect(plain.body.choices[0]!.text).toBe(`run ${runs}`);
  });

  it('takes no other word', async () => {
    const { status, body } = await complete(fresh(), { 'x-inkwell-cache': 'yes' });
    expect([status, body.error.param]).toEqual([400, 'X-Inkwell-Cache']);
  });

  it('does not let anybody in without a valid key', async () => {
    const body = fresh();
    await complete(body);
    expect((await complete(body, use, 'ik_not-a-key')).status).toBe(401);
  });

  it('serves the older endpoint too', async () => {
    const body = { prompt: `Older ${++prompts}`, temperature: 0 };
    const send = () => rig.json('/api/llm/generate/api-key', { body, headers: use });
    const [first, second] = [await send(), await send()];
    expect([second.headers.get('x-inkwell-cache'), second.body]).toEqual(['hit', first.body]);
  });
});

describe('ResponseCache', () => {
  it('stays within its bytes, forgets the least recently used first, and everything after an hour', () => {
    let now = 0;
    const cache = new ResponseCache({ now: () => now }, 20_000);
    const body = 'x'.repeat(480);
    for (let i = 0; i < 100; i++) {
      cache.put(`key-${i}`, { body, jobId: 'j' });
      expect(cache.get('key-0')).toBeDefined();
      expect(cache.sizeBytes).toBeLessThanOrEqual(20_000);
    }
    expect(cache.get('key-1')).toBeUndefined();
    expect(cache.get('key-99')).toBeDefined();
    cache.put('large', { body: 'x'.repeat(5_000), jobId: 'j' });
    expect(cache.get('large')).toBeUndefined();
    now = 3_600_000;
    expect(cache.get('key-99')).toBeUndefined();
    for (let i = 0; i < 100; i++) cache.get(`key-${i}`);
    expect(cache.sizeBytes).toBe(0);
  });

  it('of no size keeps nothing', () => {
    const cache = new ResponseCache({ now: () => 0 }, 0);
    cache.put('a', { body: '{}', jobId: 'j' });
    expect(cache.get('a')).toBeUndefined();
  });
});
