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
  data: { id: string; revoked_at: number | null }[];
}
const call = async (path: string, options: Parameters<Rig['json']>[1] = {}) => {
  const { status, body } = await rig.json(path, options);
  return { status, body: body as unknown as KeyBody, error: body.error };
};

describe('/api/keys', () => {
  it('makes a key that works at once and is shown only then', async () => {
    const made = await call('/api/keys', { body: { name: 'ci', tenant: 'bob', role: 'user' } });
    expect(made.status).toBe(201);
    expect((await rig.request('/v1/models', { key: made.body.key })).status).toBe(200);
    const list = await rig.request('/api/keys');
    const text = await list.text();
    expect(text).toContain(made.body.id);
    expect(text).not.toContain(made.body.key);
    expect(text).not.toContain('hash');
  });

  it('revokes at once, and once', async () => {
    const { body } = await call('/api/keys', { body: { name: 'old', tenant: 'bob' } });
    const revoke = () => rig.request(`/api/keys/${body.id}`, { method: 'DELETE' });
    expect((await revoke()).status).toBe(204);
    const refused = await rig.request('/v1/models', { key: body.key });
    expect([refused.status, refused.headers.get('x-api-key-error')]).toEqual([401, 'invalid']);
    expect((await revoke()).status).toBe(404);
  });

  it('is for superusers only, whatever the role below', async () => {
    for (const role of ['user', 'operator'] as const) {
      const key = await rig.addKey('alice', role);
      const answers = [
        await call('/api/keys', { key }),
        await call('/api/keys', { key, body: { name: 'x', tenant: 'alice', role: 'superuser' } }),
        await call('/api/keys/key_1', { key, method: 'DELETE' }),
      ];
      for (const { status, error } of answers) expect([status, error.code]).toEqual([403, 'insufficient_scope']);
    }
  });

  it.each([
    [{ tenant: 'bob' }, 'name'],
    [{ name: 'x', tenant: 'a:b' }, 'tenant'],
    [{ name: 'x', tenant: '' }, 'tenant'],
    [{ name: 'x', tenant: 'bob', role: 'root' }, 'role'],
    [{ name: 'x', tenant: 'bob', expires_at: 'soon' }, 'expires_at'],
    [{ name: 'x', tenant: 'bob', scopes: [] }, 'scopes'],
  ])('refuses %j', async (body, param) => {
    const { status, error } = await call('/api/keys', { body });
    expect([status, error.param]).toEqual([400, param]);
  });
});
