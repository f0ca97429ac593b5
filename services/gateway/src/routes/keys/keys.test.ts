import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

interface KeyBody {
  id: string;
  key: string;
  tenant: string;
  revoked_at: number | null;
}

async function make(body: Record<string, unknown>): Promise<KeyBody> {
  const response = await rig.request('/api/keys', { body });
  expect(response.status).toBe(201);
  expect(response.headers.get('cache-control')).toBe('no-store');
  return (await response.json()) as KeyBody;
}

async function list(): Promise<KeyBody[]> {
  const response = await rig.request('/api/keys');
  return ((await response.json()) as { data: KeyBody[] }).data;
}

describe('API keys', () => {
  it('open their tenant until they are revoked, and no longer', async () => {
    const made = await make({ name: 'one', tenant: 'bob' });
    const open = () => rig.request('/v1/models', { key: made.key });
    expect((await open()).status).toBe(200);
    expect((await rig.request(`/api/keys/${made.id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await open()).status).toBe(401);
    expect((await rig.request(`/api/keys/${made.id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await list()).find(({ id }) => id === made.id)?.revoked_at).toBeGreaterThan(0);
  });

  it('are shown once: no list holds a key or its hash', async () => {
    const made = await make({ name: 'two', tenant: 'bob' });
    const text = JSON.stringify(await list());
    expect(text).toContain(made.id);
    expect(text).not.toContain(made.key);
    expect(text).not.toMatch(/[0-9a-f]{64}/);
  });

  it.each(['user', 'operator'] as const)('are a superuser’s business: a %s is refused', async (role) => {
    const key = await rig.addKey('carol', role);
    const before = (await list()).length;
    for (const response of [
      await rig.request('/api/keys', { key, body: { name: 'mine', tenant: 'carol', role: 'superuser' } }),
      await rig.request('/api/keys', { key }),
      await rig.request('/api/keys/key_1', { key, method: 'DELETE' }),
    ])
      expect(response.status).toBe(403);
    expect(await list()).toHaveLength(before);
  });

  it.each([
    [{ tenant: 'bob' }, 'name'],
    [{ name: 'x', tenant: 'a:b' }, 'tenant'],
    [{ name: 'x', tenant: '' }, 'tenant'],
    [{ name: 'x', tenant: 'bob', role: 'root' }, 'role'],
    [{ name: 'x', tenant: 'bob', key: 'mine' }, 'key'],
    [{ name: 'x', tenant: 'bob', expires_at: -1 }, 'expires_at'],
  ])('are refused by name for %j', async (body, param) => {
    const response = await rig.request('/api/keys', { body });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { param: string } }).error.param).toBe(param);
  });
});
