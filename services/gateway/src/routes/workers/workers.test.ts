import type { WorkerReport } from '@inkwell/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const report: WorkerReport = {
  id: 'worker-1',
  host: 'here',
  pid: 7,
  startedAt: 1_500,
  model: 'm',
  engine: null,
  ready: false,
  draining: false,
  queuedJobs: 0,
  runningJobs: 0,
  tokensPerSecond: 0,
  jobsPerSecond: 0,
};
const beat = (over: Partial<WorkerReport> = {}) => rig.ports.workerRegistry.heartbeat({ ...report, ...over }, 60_000);
const status = async () => (await rig.json('/api/admin/workers')).body.data[0]?.status;

describe('workers', () => {
  it('are listed with how they are, and forgotten when they leave', async () => {
    expect((await rig.json('/api/admin/workers')).body).toEqual({ object: 'list', data: [] });
    await beat();
    expect(await status()).toBe('loading');
    await beat({ engine: 'wasm on cpu', ready: true, runningJobs: 2, tokensPerSecond: 12.5 });
    const [worker] = (await rig.json('/api/admin/workers')).body.data;
    expect(worker).toMatchObject({ id: 'worker-1', object: 'worker', status: 'ready', pid: 7, started_at: 1.5 });
    expect(worker).toMatchObject({ running_jobs: 2, tokens_per_second: 12.5, engine: 'wasm on cpu' });
    await rig.ports.workerRegistry.leave('worker-1');
    expect(await status()).toBeUndefined();
  });

  it('drain when asked and work again when asked', async () => {
    await beat({ engine: 'wasm', runningJobs: 1 });
    const drained = await rig.json('/api/admin/workers/worker-1/drain', { method: 'POST' });
    expect([drained.status, drained.body.status]).toEqual([200, 'draining']);
    expect(await beat({ engine: 'wasm', runningJobs: 0, draining: true })).toBe('drain');
    expect(await status()).toBe('drained');
    const resumed = await rig.request('/api/admin/workers/worker-1/resume', { method: 'POST' });
    expect(resumed.status).toBe(200);
    expect(await beat({ engine: 'wasm' })).toBe('run');
    expect(await status()).toBe('ready');
  });

  it.each(['nobody', 'a%2Fb'])('are 404 or 400 when there is none called %s', async (id) => {
    const response = await rig.json(`/api/admin/workers/${id}/drain`, { method: 'POST' });
    expect([400, 404]).toContain(response.status);
    expect(response.body.error.param).toBe('id');
  });

  it('are not a user’s business', async () => {
    const key = await rig.addKey('bob');
    for (const path of ['/api/admin/workers', '/api/admin/workers/worker-1/drain'])
      expect((await rig.request(path, { key, method: path.endsWith('n') ? 'POST' : 'GET' })).status).toBe(403);
    const operator = await rig.addKey('bob', 'operator');
    expect((await rig.request('/api/admin/workers', { key: operator })).status).toBe(200);
  });
});
