import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'Hello' };
const create = async () => (await rig.json('/v1/jobs', { body: request })).body.id;
const get = (id: string, query = '', headers?: Record<string, string>) =>
  rig.json(`/v1/jobs/${id}${query}`, { headers });

describe('GET /v1/jobs/{id}', () => {
  it('tells the whole life of a job', async () => {
    const id = await create();
    expect((await get(id)).body).toMatchObject({ status: 'queued', attempts: 0, result: null });
    const worker = await rig.startWorker(id);
    expect((await get(id)).body).toMatchObject({ status: 'in_progress', attempts: 1, position: null });
    await worker.say('Hi', { delta: ' you', finishReason: 'stop' });
    await worker.end('completed');
    const { body } = await get(id);
    expect(body).toMatchObject({
      status: 'completed',
      error: null,
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      result: { choices: [{ text: 'Hi you', index: 0, finish_reason: 'stop', logprobs: null }] },
    });
    expect(body.started_at! <= body.finished_at!).toBe(true);
  });

  it('never reads older than its story: a terminal event counts before the record is written', async () => {
    const id = await create();
    const { ports } = rig;
    const key = `alice:${id}` as never;
    const { fence } = await ports.lease.seize(key, 'test', 10_000);
    const outcome = { state: 'failed', result: null, error: null, finishedAt: Date.now() } as const;
    await ports.resultStream.append(key, fence, 1, [{ type: 'job.failed', at: Date.now(), outcome }]);
    expect((await ports.jobStore.get(key))?.state).toBe('queued');
    expect((await get(id)).body.status).toBe('failed');
    expect((await get(id, '?wait=60')).body.status).toBe('failed');
  });

  it('is 404 for an id that does not exist or belongs to another tenant, on every route', async () => {
    const id = await create();
    const mallory = await rig.addKey('mallory', 'superuser');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '?wait=1'],
      ['POST', '/cancel'],
    ]) {
      for (const [key, other] of [
        [mallory, id],
        [rig.key, 'job_absent'],
      ]) {
        const { status, body } = await rig.json(`/v1/jobs/${other}${path}`, { method, key });
        expect([status, body.error.code], `${method} ${path}`).toEqual([404, 'job_not_found']);
      }
    }
    expect((await get(id)).body.status).toBe('queued');
  });
});

describe('long-polling', () => {
  it('answers when the job starts, and again when it ends', async () => {
    const id = await create();
    const starts = get(id, '?wait=60');
    const worker = await rig.startWorker(id);
    expect((await starts).body.status).toBe('in_progress');
    await worker.say('a');
    const ends = get(id, '?wait=60');
    await worker.say('b');
    await worker.end('incomplete');
    expect((await ends).body).toMatchObject({ status: 'incomplete', result: { choices: [{ text: 'ab' }] } });
    expect((await get(id, '?wait=60')).body.status).toBe('incomplete');
  });

  it('answers the unchanged state when the time is over', async () => {
    const id = await create();
    const start = performance.now();
    expect((await get(id, '?wait=0.2')).body.status).toBe('queued');
    expect(performance.now() - start).toBeGreaterThan(190);
    expect((await get(id, '?wait=0')).body.status).toBe('queued');
  });

  it('takes Prefer: wait as well, shortened to what is allowed', async () => {
    const id = await create();
    const waiting = get(id, '', { prefer: 'respond-async, wait=100' });
    const worker = await rig.startWorker(id);
    const { body, headers } = await waiting;
    expect([body.status, headers.get('preference-applied')]).toEqual(['in_progress', 'wait=60']);
    await worker.end('completed');
    expect((await get(id, '', { prefer: 'return=minimal' })).headers.get('preference-applied')).toBeNull();
  });

  it.each(['61', '-1', 'x', '1e1', ''])('is 400 for wait=%s', async (wait) => {
    const { status, body } = await get('any', `?wait=${wait}`);
    expect([status, body.error.param]).toEqual([400, 'wait']);
  });
});
