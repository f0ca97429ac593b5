import { isTerminalEvent } from '@inkwell/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';
import { LeaseLost } from '../../testing/scripted-worker.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const create = async (changes: object = {}) =>
  (await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'Hello', ...changes } })).body.id;
const cancel = (id: string) => rig.json(`/v1/jobs/${id}/cancel`, { method: 'POST' });

describe('POST /v1/jobs/{id}/cancel', () => {
  it('ends a queued job, which then cannot start', async () => {
    const id = await create();
    const { status, body } = await cancel(id);
    expect([status, body.status, body.result, body.error]).toEqual([200, 'cancelled', null, null]);
    await expect(rig.startWorker(id)).rejects.toThrow(LeaseLost);
    expect((await rig.ports.jobStore.get(`alice:${id}` as never))?.state).toBe('cancelled');
  });

  it('takes a running job from its worker and keeps what was produced', async () => {
    const id = await create();
    const worker = await rig.startWorker(id);
    await worker.say('so', ' far');
    const { body } = await cancel(id);
    expect(body).toMatchObject({
      status: 'cancelled',
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      result: { choices: [{ text: 'so far', finish_reason: null }] },
    });
    await expect(worker.say('too late')).rejects.toThrow(LeaseLost);
  });

  it('gives one terminal event and one answer however many cancel at once', async () => {
    const id = await create();
    const answers = await Promise.all([...Array(6)].map(() => cancel(id)));
    expect(answers.map(({ status, body }) => [status, body.status])).toEqual(Array(6).fill([200, 'cancelled']));
    const story = await rig.ports.resultStream.read(`alice:${id}` as never, 0, 100);
    expect(story.filter(isTerminalEvent)).toHaveLength(1);
    expect((await rig.ports.jobStore.counts()).inProgress).toBeGreaterThanOrEqual(0);
  });

  it('is 409 for a job that has ended otherwise', async () => {
    const id = await create();
    await (await rig.startWorker(id)).end('completed');
    const { status, body } = await cancel(id);
    expect([status, body.error.code]).toEqual([409, 'job_finished']);
  });

  it('finishes what a canceller that died after its event left undone', async () => {
    const id = await create();
    const key = `alice:${id}` as never;
    const { fence } = await rig.ports.lease.seize(key, 'died', 1);
    const outcome = { state: 'cancelled', result: null, error: null, finishedAt: Date.now() } as const;
    await rig.ports.resultStream.append(key, fence, 1, [{ type: 'job.cancelled', at: Date.now(), outcome }]);
    expect((await cancel(id)).body.status).toBe('cancelled');
  });
});

describe('POST /v1/jobs/cancel', () => {
  const cancelMany = (body: object, key?: string) => rig.json('/v1/jobs/cancel', { body, key });

  it('cancels what matches, across pages, and nothing else', async () => {
    const batch = await Promise.all([...Array(130)].map(() => create({ metadata: { run: '7' } })));
    const other = await create({ metadata: { run: '8' } });
    const { body } = await cancelMany({ metadata: { run: '7' } });
    expect(body).toMatchObject({ object: 'job.cancellation', has_more: false });
    expect([...body.cancelled].sort()).toEqual([...batch].sort());
    expect((await rig.json(`/v1/jobs/${other}`)).body.status).toBe('queued');
    expect((await cancelMany({ metadata: { run: '7' } })).body.cancelled).toEqual([]);
  });

  it('never touches another tenant’s jobs', async () => {
    const id = await create();
    expect((await cancelMany({ state: 'queued' }, await rig.addKey('bob'))).body.cancelled).toEqual([]);
    expect((await cancelMany({ state: ['queued', 'in_progress'] })).body.cancelled).toContain(id);
  });

  it.each([
    [{}, 'state'],
    [{ metadata: {} }, 'state'],
    [{ state: 'completed' }, 'state'],
    [{ state: [] }, 'state'],
    [{ ids: ['x'] }, 'ids'],
  ])('is 400 for %j', async (body, param) => {
    const answer = await cancelMany(body);
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
  });
});
