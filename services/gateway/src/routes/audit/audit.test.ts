/** Acts over HTTP: exactly one event each, recorded before they are done, and nothing secret in any of them. */
import type { AuditEntry, Fact } from '@inkwell/contracts';
import { createLog, createMetrics } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import { createRecorder } from '@inkwell/recorder';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';

let rig: Rig;
const told: Fact[] = [];
let logDown = false;
beforeAll(async () => {
  rig = await startRig({
    wrapPorts: (ports) => ({
      ...ports,
      factLog: {
        ...ports.factLog,
        publish: async (fact) => {
          if (logDown) throw new Error('the log is down');
          told.push(fact);
          await ports.factLog.publish(fact);
        },
      },
    }),
  });
  const log = createLog({ level: 'silent', name: 'test' });
  const recorder = createRecorder({
    ...rig.ports,
    log,
    metrics: createMetrics(),
    clock: systemClock,
  });
  await recorder.start();
  stopRecorder = () => recorder.stop(1000);
});
let stopRecorder: () => Promise<void>;
afterAll(async () => {
  await stopRecorder();
  await rig.close();
});

interface AuditPage {
  data: AuditEntry[];
  has_more: boolean;
  next_cursor: string | null;
}

async function list(query = ''): Promise<AuditPage> {
  const response = await rig.request(`/api/admin/audit${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as AuditPage;
}

/** The entries of this request, once there are as many. */
async function entriesOf(requestId: string, count = 1): Promise<AuditEntry[]> {
  for (;;) {
    const found = (await list('?limit=100')).data.filter((entry) => entry.requestId === requestId);
    if (found.length >= count) return found;
  }
}

/** After failures the gateway asks the store for nothing for a while. */
async function breakerClosed(): Promise<void> {
  while ((await rig.request('/api/admin/audit')).status !== 200);
}

const id = (name: string) => ({ 'x-request-id': name });
const job = { model: testModel, prompt: 'Hello' };

describe('an act', () => {
  it('on a key is recorded once: made, then revoked', async () => {
    const body = { name: 'one', tenant: 'bob', role: 'operator' };
    const made = await (await rig.request('/api/keys', { body, headers: id('make') })).json();
    const keyId = (made as { id: string }).id;
    const event = { tenant: 'bob', resource: `key/${keyId}`, outcome: 'allowed', ip: '127.0.0.1', keyId: 'key_1' };
    expect(await entriesOf('make')).toMatchObject([{ action: 'key.created', details: { role: 'operator' }, ...event }]);
    for (let i = 0; i < 2; i++) await rig.request(`/api/keys/${keyId}`, { method: 'DELETE', headers: id('revoke') });
    expect(await entriesOf('revoke')).toMatchObject([{ action: 'key.revoked', actor: { kind: 'key' }, ...event }]);
  });

  it('on a job is recorded once: accepted, sent again with its key, cancelled twice', async () => {
    const headers = { ...id('create'), 'idempotency-key': 'k-1' };
    const first = await rig.json('/v1/jobs', { body: job, headers });
    await rig.json('/v1/jobs', { body: job, headers });
    expect(await entriesOf('create')).toMatchObject([
      { action: 'job.created', resource: `job/${first.body.id}`, tenant: 'alice', details: { model: testModel } },
    ]);
    for (let i = 0; i < 2; i++) {
      const path = `/v1/jobs/${first.body.id}/cancel`;
      expect((await rig.request(path, { method: 'POST', headers: id('cancel') })).status).toBe(200);
    }
    expect(await entriesOf('cancel')).toMatchObject([{ action: 'job.cancelled', resource: `job/${first.body.id}` }]);
    // No worker ever saw it: the canceller told its end.
    expect(told.filter(({ kind }) => kind === 'job.ended')).toHaveLength(1);
  });

  it.each([
    ['none', null, 'missing_api_key', 'anonymous'],
    ['wrong', `ik_${'x'.repeat(36)}`, 'invalid_api_key', 'anonymous'],
  ])('refused for a credential that is %s is recorded, each time', async (name, key, reason, actor) => {
    for (let i = 0; i < 2; i++) {
      const response = await rig.request('/v1/jobs/some-job?x=1', { key, headers: id(`refused-${name}`) });
      expect(response.status).toBe(401);
    }
    const entries = await entriesOf(`refused-${name}`, 2);
    expect(entries).toHaveLength(2);
    for (const entry of entries) {
      expect(entry).toMatchObject({
        action: 'auth.refused',
        outcome: 'refused',
        resource: 'GET /v1/jobs/{id}',
        reason,
        actor: { kind: actor },
        tenant: null,
      });
    }
  });

  it('refused for want of a role names who it was', async () => {
    const key = await rig.addKey('carol');
    expect((await rig.request('/api/admin/audit', { key, headers: id('carol') })).status).toBe(403);
    expect(await entriesOf('carol')).toMatchObject([
      { action: 'auth.refused', reason: 'insufficient_scope', tenant: 'carol', resource: 'GET /api/admin/audit' },
    ]);
  });

  it('that cannot be recorded is not done, and says so with 503', async () => {
    const before = (await rig.ports.keyStore.list()).length;
    const [victim] = await rig.ports.keyStore.list('carol');
    logDown = true;
    const answers = [
      await rig.request('/api/keys', { body: { name: 'two', tenant: 'bob' } }),
      await rig.request(`/api/keys/${victim!.id}`, { method: 'DELETE' }),
      await rig.request('/v1/models', { key: null }),
      await rig.request('/api/admin/audit/export'),
    ];
    logDown = false;
    await breakerClosed();
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
    for (const answer of answers) expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await rig.ports.keyStore.list()).toHaveLength(before);
    expect((await rig.ports.keyStore.get(victim!.id))?.revokedAt).toBeNull();
  });

  it('that fails after it was recorded is followed by an event that says so', async () => {
    const { keyStore } = rig.ports;
    const { create } = keyStore;
    keyStore.create = () => Promise.reject(new Error('lost connection'));
    const made = await rig.request('/api/keys', { body: { name: 'x', tenant: 'bob' }, headers: id('half') });
    keyStore.create = create;
    expect(made.status).toBe(503);
    await breakerClosed();
    expect((await entriesOf('half', 2)).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['failed', 'dependency_unavailable'],
      ['allowed', null],
    ]);
  });

  it('holds no secret: none that is planted anywhere in requests ever comes near a fact', async () => {
    const canary = 'CANARYs3cr3t';
    const key = `ik_${canary}${'0'.repeat(24)}`;
    const headers = {
      authorization: `Bearer ${canary}`,
      cookie: canary,
      'user-agent': canary,
      'x-forwarded-for': canary,
    };
    const since = told.length;
    await rig.request(`/v1/jobs?metadata[k]=${canary}`, { key, headers });
    await rig.request(`/v1/jobs/${canary}/events?starting_after=${canary}`, { key: null, headers });
    await rig.request('/api/keys', { body: { name: canary, tenant: 'bob' } });
    await rig.request('/api/keys', { body: { name: 'x', tenant: canary, password: canary } });
    const body = { ...job, prompt: canary, stop: [canary], metadata: { [canary]: canary }, user: canary };
    const made = await rig.json('/v1/jobs', { body, headers: { 'idempotency-key': canary, 'user-agent': canary } });
    await rig.request(`/v1/jobs/${made.body.id}/cancel`, { method: 'POST', headers: { cookie: canary } });
    await rig.request(`/nowhere/${canary}`, { key: null });
    const facts = JSON.stringify(told.slice(since));
    expect(told.length - since).toBeGreaterThanOrEqual(6);
    expect(facts).not.toContain(canary);
    expect(facts).not.toContain(rig.key);
    expect(facts).not.toMatch(/ik_/);
    expect(JSON.stringify(await rig.ports.auditLog.read({}, { afterSeq: 0, limit: 1000 }))).not.toContain(canary);
  });
});

describe('the audit log over HTTP', () => {
  it('is read in pages and found by filter', async () => {
    const first = await list('?limit=2');
    expect(first.data).toHaveLength(2);
    expect(first.has_more).toBe(true);
    const second = await list(`?limit=2&cursor=${first.next_cursor}`);
    expect(second.data[0]!.seq).toBe(first.data[1]!.seq - 1);
    const refused = await list('?action=auth.refused&tenant=carol&outcome=refused');
    expect(refused.data.map(({ requestId }) => requestId)).toEqual(['carol']);
    const [{ at }] = refused.data as [AuditEntry];
    expect((await list(`?tenant=carol&start=${Math.ceil(at / 1000) + 1}`)).data).toEqual([]);
    expect((await list(`?tenant=carol&end=${Math.ceil(at / 1000) + 1}`)).data).toHaveLength(1);
  });

  it.each([
    ['action=key.stolen', 'action'],
    ['limit=0', 'limit'],
    ['cursor=x', 'cursor'],
    ['start=yesterday', 'start'],
    ['who=me', 'who'],
  ])('refuses %s by name', async (query, param) => {
    const { status, body } = await rig.json(`/api/admin/audit?${query}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });

  it('is exported as the whole chain, a line per entry, and its export is in it', async () => {
    const response = await rig.request('/api/admin/audit/export', { headers: id('export') });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await response.text()).trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as AuditEntry);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    expect(await entriesOf('export')).toMatchObject([{ action: 'admin.audit_exported' }]);
  });

  it('verifies, also against a head noted earlier, and says where it breaks', async () => {
    const verify = async (query = '') => (await rig.request(`/api/admin/audit/verify${query}`)).json();
    const whole = (await verify()) as { valid: boolean; head: { seq: number; hash: string } };
    expect(whole).toMatchObject({ valid: true, broken: null });
    expect(whole.head.seq).toBeGreaterThan(5);
    expect(await verify(`?seq=${whole.head.seq}&hash=${whole.head.hash}`)).toMatchObject({ valid: true });
    const other = 'f'.repeat(64);
    expect(await verify(`?seq=3&hash=${other}`)).toMatchObject({
      valid: false,
      broken: { seq: 3, problem: 'head_differs' },
    });
    expect((await rig.request('/api/admin/audit/verify?seq=3')).status).toBe(400);
  });

  it.each(['', '/export', '/verify'])('is an operator’s business: %s', async (path) => {
    const operator = await rig.addKey('dave', 'operator');
    const user = await rig.addKey('dave', 'user');
    expect((await rig.request(`/api/admin/audit${path}`, { key: operator })).status).toBe(200);
    expect((await rig.request(`/api/admin/audit${path}`, { key: user })).status).toBe(403);
    expect((await rig.request(`/api/admin/audit${path}`, { key: null })).status).toBe(401);
  });
});
