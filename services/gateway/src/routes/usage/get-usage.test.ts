import type { JobEnded } from '@inkwell/contracts';
import { endedJob } from '@inkwell/ports/conformance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from '../../testing/rig.ts';

const day = 86_400;
const today = Math.floor(Date.now() / 1000 / day) * day;
let rig: Rig;
let user: string;
beforeAll(async () => {
  rig = await startRig();
  user = await rig.addKey('bob');
  const of = (tenant: string, finishedAt: number, changes: Partial<JobEnded> = {}): JobEnded =>
    endedJob(tenant, `job_${finishedAt}`, {
      finishedAt: finishedAt * 1000,
      keyId: 'key_a',
      model: 'small',
      usage: { promptTokens: 2, completionTokens: 3 },
      ...changes,
    });
  await rig.ports.jobHistory.record([
    of('bob', today),
    of('bob', today + 1, { keyId: 'key_b', model: 'large' }),
    of('bob', today - 1, { userId: 'user_1' }),
    of('carol', today),
  ]);
});
afterAll(() => rig.close());

interface UsageBody {
  data: { start: number; end: number; results: Record<string, unknown>[] }[];
  total: Record<string, number>;
}

async function usage(query: string, key = user): Promise<UsageBody> {
  const response = await rig.request(`/api/usage${query}`, { key });
  expect(response.status).toBe(200);
  return (await response.json()) as UsageBody;
}

const sum = (requests: number) => ({
  requests,
  prompt_tokens: 2 * requests,
  completion_tokens: 3 * requests,
  total_tokens: 5 * requests,
});

describe('GET /api/usage', () => {
  it('sums the caller’s tenant by day, and leaves out what was not used', async () => {
    const { data, total } = await usage('');
    const none = { tenant: null, user_id: null, key_id: null, model: null };
    expect(data).toEqual([
      { object: 'usage.bucket', start: today - day, end: today, results: [{ ...sum(1), ...none }] },
      { object: 'usage.bucket', start: today, end: today + day, results: [{ ...sum(2), ...none }] },
    ]);
    expect(total).toEqual(sum(3));
  });

  it('groups by key, user and model, by hour, between two moments', async () => {
    const query = `?bucket=hour&group_by=key,model&start=${today}&end=${today + 2}`;
    const { data } = await usage(query);
    expect(data).toMatchObject([{ start: today, end: today + 3600 }]);
    expect(data[0]!.results).toMatchObject([
      { key_id: 'key_a', model: 'small', user_id: null, ...sum(1) },
      { key_id: 'key_b', model: 'large', user_id: null, ...sum(1) },
    ]);
    const byUser = await usage('?group_by=user');
    expect(byUser.data.map(({ results }) => results.map(({ user_id }) => user_id))).toEqual([['user_1'], [null]]);
  });

  it('shows other tenants to operators alone', async () => {
    const operator = await rig.addKey('dave', 'operator');
    expect((await usage('?tenant=carol', operator)).total).toEqual(sum(1));
    const all = await usage('?tenant=*&group_by=tenant', operator);
    expect(all.data.at(-1)!.results.map(({ tenant, requests }) => [tenant, requests])).toEqual([
      ['bob', 2],
      ['carol', 1],
    ]);
    for (const tenant of ['carol', '*']) {
      const response = await rig.request(`/api/usage?tenant=${tenant}`, { key: user });
      expect(response.status).toBe(403);
      expect(await response.text()).not.toContain('requests');
    }
    expect((await usage('?tenant=bob')).total).toEqual(sum(3));
  });

  it.each([
    ['bucket=week', 'bucket'],
    ['group_by=colour', 'group_by.0'],
    ['start=now', 'start'],
    ['start=10&end=5', 'end'],
    ['start=0&end=100000000', 'start'],
    ['bucket=hour&start=0&end=10000000', 'start'],
  ])('refuses %s by name', async (query, param) => {
    const { status, body } = await rig.json(`/api/usage?${query}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});
