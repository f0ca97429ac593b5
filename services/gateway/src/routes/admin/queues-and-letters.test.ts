/** What operators see of queues, limits and dead letters; and that what is requeued runs once, whoever asks and however often. */
import { InkwellError } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';

interface Letter {
  id: string;
  tenant: string;
  job_id: string;
  reason: string;
  attempts: number;
  job: { status: string; error: { code: string } } | null;
}

let rig: Rig;
let operator: string;
const consumer = new AbortController();
const deliveries = new Map<string, Delivery>();
let arrived = () => {};
beforeAll(async () => {
  rig = await startRig();
  operator = await rig.addKey('ops', 'operator', { scopes: ['admin'] });
  await rig.ports.jobBus.consume({
    workerId: 'test',
    onDelivery: (delivery) => {
      deliveries.set(delivery.message.key, delivery);
      arrived();
    },
    onTakenBack: () => {},
    onCancel: () => {},
    signal: consumer.signal,
  });
});
afterAll(async () => {
  consumer.abort();
  await rig.close();
});

const see = async <T>(path: string, options: object = {}): Promise<T> => {
  const response = await rig.request(path, { key: operator, ...options });
  const body = await response.json();
  expect(response.ok, JSON.stringify(body)).toBe(true);
  return body as T;
};
const letters = (query = '') => see<{ data: Letter[]; has_more: boolean }>(`/api/admin/dead-letters${query}`);
const requeue = (id: string) =>
  see<{ job_id: string; tenant: string }>(`/api/admin/dead-letters/${id}/requeue`, { method: 'POST' });

function delivered(key: string): Promise<Delivery> {
  return new Promise((resolve) => {
    arrived = () => {
      const delivery = deliveries.get(key);
      if (delivery) resolve(delivery);
    };
    arrived();
  });
}

async function create(prompt = 'a poison prompt'): Promise<string> {
  const body = { model: testModel, prompt, seed: 7, metadata: { mine: 'yes' } };
  return (await rig.json('/v1/jobs', { body })).body.id;
}

/** As a worker does with a job it gives up. */
async function giveUp(reason: string): Promise<string> {
  const id = await create();
  const delivery = await delivered(`alice:${id}`);
  const worker = await rig.startWorker(id);
  await worker.end('failed', new InkwellError('generation_failed').toBody());
  await delivery.deadLetter(reason);
  return id;
}

describe('GET /api/admin/queues', () => {
  it('tells how many wait, and since when the oldest does', async () => {
    interface Queues {
      data: { priority: string; queued: number }[];
      queued: number;
      oldest_queued_at: number | null;
      oldest_age_seconds: number | null;
    }
    expect(await see<Queues>('/api/admin/queues')).toMatchObject({
      queued: 0,
      oldest_queued_at: null,
      oldest_age_seconds: null,
    });
    const before = Date.now() / 1_000;
    const ids = [await create(), await create()];
    const { data, queued, oldest_queued_at, oldest_age_seconds } = await see<Queues>('/api/admin/queues');
    expect([queued, data.map(({ priority, queued }) => [priority, queued])]).toEqual([
      2,
      [
        ['interactive', 0],
        ['standard', 2],
        ['batch', 0],
      ],
    ]);
    const first = (await rig.json(`/v1/jobs/${ids[0]}`)).body.created_at;
    expect(oldest_queued_at).toBeCloseTo(first, 2);
    expect(oldest_age_seconds).toBeGreaterThan(0);
    expect(oldest_age_seconds).toBeLessThan(Date.now() / 1_000 - before + 1);
    for (const id of ids) await rig.request(`/v1/jobs/${id}/cancel`, { method: 'POST' });
  });
});

describe('GET /api/admin/limits', () => {
  it('tells what is configured', async () => {
    expect(await see('/api/admin/limits')).toMatchObject({
      user: { requests_per_minute: 10 },
      key: { requests_per_minute: 100, tokens_per_day: null },
      address: { requests_per_minute: null },
      queue: { max_queued_per_tenant: 10_000 },
      roles: { user: { priorities: expect.arrayContaining(['standard']) } },
    });
  });
});

describe('/api/admin/dead-letters', () => {
  it('lists newest first in pages, shows the job without its owner’s words, and nothing else', async () => {
    const ids = [await giveUp('first'), await giveUp('second'), await giveUp('third')];
    const page = await letters('?limit=2');
    expect(page.data.map(({ job_id, reason }) => [job_id, reason])).toEqual([
      [ids[2], 'third'],
      [ids[1], 'second'],
    ]);
    expect(page.has_more).toBe(true);
    const rest = await letters(`?limit=2&after=${page.data[1]!.id}`);
    expect([rest.data.map(({ job_id }) => job_id), rest.has_more]).toEqual([[ids[0]], false]);

    const one = await see<Letter>(`/api/admin/dead-letters/${page.data[0]!.id}`);
    expect(one).toMatchObject({ tenant: 'alice', job: { status: 'failed', error: { code: 'generation_failed' } } });
    expect(JSON.stringify([one, page])).not.toMatch(/poison|mine/);
  });

  it('runs a job again as the same owner’s, once however often it is asked, and records who did', async () => {
    const id = await giveUp('flaky');
    const letter = (await letters()).data.find(({ job_id }) => job_id === id)!;
    const answers = await Promise.all([1, 2, 3].map(() => requeue(letter.id)));
    expect(new Set(answers.map(({ job_id }) => job_id)).size).toBe(1);
    const [{ job_id, tenant }] = answers as [{ job_id: string; tenant: string }];
    expect(tenant).toBe('alice');
    const old = (await rig.ports.jobStore.get(`alice:${id}` as never))!;
    const again = (await rig.ports.jobStore.get(`alice:${job_id}` as never))!;
    expect([again.state, again.spec, again.metadata, again.createdBy]).toEqual([
      'queued',
      old.spec,
      old.metadata,
      old.createdBy,
    ]);
    expect(old.state).toBe('failed');
    const delivery = await delivered(`alice:${job_id}`);
    const worker = await rig.startWorker(job_id);
    await worker.say('at last');
    await worker.end('completed');
    await delivery.ack();
    expect((await rig.json(`/v1/jobs/${job_id}`)).body.result?.choices[0]?.text).toBe('at last');
    // It is over, and asking once more does not begin it anew.
    expect((await requeue(letter.id)).job_id).toBe(job_id);
    expect((await rig.ports.jobStore.get(`alice:${job_id}` as never))?.state).toBe('completed');
  });

  it('is 404 for a letter that is not there, 400 for what cannot be one', async () => {
    const unknown = `dl_${Buffer.from('alice:none').toString('base64url')}`;
    for (const [path, method] of [
      ['', 'GET'],
      ['/requeue', 'POST'],
    ] as const) {
      const ask = (id: string) => rig.request(`/api/admin/dead-letters/${id}${path}`, { method, key: operator });
      expect([(await ask(unknown)).status, (await ask('x')).status]).toEqual([404, 400]);
    }
  });

  it('is closed to users, and to operators’ keys without the scope', async () => {
    const keys = [await rig.addKey('alice', 'user'), await rig.addKey('ops', 'operator', { scopes: ['jobs'] })];
    for (const key of keys)
      for (const path of ['/api/admin/dead-letters', '/api/admin/queues', '/api/admin/limits'])
        expect((await rig.request(path, { key })).status).toBe(403);
  });
});
