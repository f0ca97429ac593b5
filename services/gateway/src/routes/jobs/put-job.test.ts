import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'Hello', metadata: { a: '1', b: '2' } };
const put = (id: string, body: object = request, key?: string) =>
  rig.json(`/v1/jobs/${id}`, { method: 'PUT', body, key });

describe('PUT /v1/jobs/{id}', () => {
  it('makes one job however often it is sent, also at once and with its fields in another order', async () => {
    const reordered = { metadata: { b: '2', a: '1' }, prompt: 'Hello', model: testModel };
    const answers = await Promise.all([...Array(8)].map((_, i) => put('order-1', i % 2 ? reordered : request)));
    for (const { status, headers, body } of answers) {
      expect([status, body.id, headers.get('location')]).toEqual([202, 'order-1', '/v1/jobs/order-1']);
    }
    expect((await rig.ports.jobStore.counts()).queued.standard).toBe(1);
  });

  it('answers how the job stands when it is sent again later', async () => {
    await put('order-2');
    const worker = await rig.startWorker('order-2');
    await worker.say('done');
    await worker.end('completed');
    const { status, body } = await put('order-2');
    expect([status, body.status, body.result?.choices[0]?.text]).toEqual([202, 'completed', 'done']);
  });

  it('is 409 with another body, and leaves the first as it was', async () => {
    await put('order-3');
    const { status, body } = await put('order-3', { ...request, prompt: 'Other' });
    expect([status, body.error.code, body.error.param]).toEqual([409, 'job_exists', 'id']);
  });

  it('keeps equal ids of different tenants apart', async () => {
    const bob = await rig.addKey('bob');
    await put('order-4');
    expect((await put('order-4', { ...request, prompt: 'Other' }, bob)).status).toBe(202);
  });

  it.each(['-x', '.', 'a%20b', 'x'.repeat(129), '%00', 'ä'])('is 400 for the unsafe id %s', async (id) => {
    const { status, body } = await put(id === '.' ? '%2e%2e%2e' : id);
    expect([status, body.error.param]).toEqual([400, 'id']);
  });
});
