import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';

let rig: Rig;
const made: string[] = [];
beforeAll(async () => {
  rig = await startRig();
  for (let i = 0; i < 25; i++) {
    const metadata: Record<string, string> = { parity: i % 2 ? 'odd' : 'even', 'a b[c]': `ü&=${i % 5}` };
    made.unshift((await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'Hello', metadata } })).body.id);
  }
  await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'Hi' }, key: await rig.addKey('bob') });
});
afterAll(() => rig.close());

const list = (query: string, key?: string) => rig.json(`/v1/jobs${query}`, { key });
const ids = (body: { data: { id: string }[] }) => body.data.map(({ id }) => id);

describe('GET /v1/jobs', () => {
  it('pages through all jobs of the tenant and no other, newest first', async () => {
    const first = (await list('')).body;
    expect([first.data.length, first.has_more]).toEqual([20, true]);
    const second = (await list(`?after=${first.data.at(-1)!.id}`)).body;
    expect([second.data.length, second.has_more]).toEqual([5, false]);
    expect([...ids(first), ...ids(second)]).toEqual(made);
    expect(first).toMatchObject({ object: 'list', first_id: made[0], last_id: made[19] });
  });

  it('finds by metadata, all pairs together', async () => {
    const name = encodeURIComponent('a b[c]');
    expect(ids((await list('?metadata[parity]=odd&limit=100')).body)).toEqual(made.filter((_, i) => (24 - i) % 2));
    const value = encodeURIComponent('ü&=3');
    const { status, body } = await list(`?metadata[parity]=odd&metadata[${encodeURIComponent('x')}]=y`);
    expect([status, body.data]).toEqual([200, []]);
    expect(ids((await list(`?metadata[${name}]=${value}`)).body)).toEqual(made.filter((_, i) => (24 - i) % 5 === 3));
  });

  it('finds by one or several states', async () => {
    const worker = await rig.startWorker(made[3]!);
    expect(ids((await list('?state=in_progress')).body)).toEqual([made[3]]);
    await worker.end('completed');
    const { body } = await list('?state=completed,failed');
    expect(ids(body)).toEqual([made[3]]);
    expect(body.data[0]?.status).toBe('completed');
    expect((await list('?state=queued&limit=100')).body.data.length).toBe(24);
  });

  it('answers an empty page after an id that does not exist or is not the caller’s', async () => {
    expect((await list('?after=absent')).body).toMatchObject({ data: [], has_more: false, first_id: null });
    expect((await list(`?after=${made[0]}`, await rig.addKey('bob'))).body.data).toEqual([]);
  });

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=101', 'limit'],
    ['?limit=1.5', 'limit'],
    ['?limit=', 'limit'],
    ['?state=done', 'state.0'],
    ['?state=', 'state.0'],
    ['?metadata=x', 'metadata'],
    ['?order=asc', 'order'],
    [`?after=${'x'.repeat(129)}`, 'after'],
  ])('is 400 for %s and names the parameter', async (query, param) => {
    const { status, body } = await list(query);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});
