import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkerStats } from '../../context.ts';
import { type Rig, startRig } from '../../testing/rig.ts';

let rig: Rig;
let storeFails = false;
let stats: WorkerStats;
beforeAll(async () => {
  rig = await startRig({
    config: { healthTimeoutMs: 100 },
    workerStats: () => stats,
    wrapPorts: (ports) => ({
      ...ports,
      jobStore: {
        ...ports.jobStore,
        counts: () => (storeFails ? Promise.reject(new Error('disk')) : ports.jobStore.counts()),
      },
    }),
  });
});
afterAll(() => rig.close());

const probe = async (name: string) => (await rig.request(`/api/health/${name}`, { key: null })).status;

describe('health probes', () => {
  it('call for a restart on nothing that a restart would not mend', async () => {
    stats = { ready: false, tokensPerSecond: 0, jobsPerSecond: 0 };
    storeFails = true;
    expect([await probe('ping'), await probe('liveness')]).toEqual([200, 200]);
  });

  it('want requests only while store and worker are there', async () => {
    stats = { ready: false, tokensPerSecond: 0, jobsPerSecond: 0 };
    storeFails = false;
    expect([await probe('readiness'), await probe('startup')]).toEqual([503, 503]);
    stats = { ...stats, ready: true };
    expect([await probe('readiness'), await probe('startup')]).toEqual([200, 200]);
    storeFails = true;
    expect([await probe('readiness'), await probe('startup')]).toEqual([503, 503]);
    storeFails = false;
  });

  it('say how far the inference got when nothing runs it, and leave no job behind', async () => {
    stats = { ready: true, tokensPerSecond: 0, jobsPerSecond: 0 };
    const { status, body } = await rig.json('/api/health/status');
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'unavailable',
      inference: { status: 'unavailable', error: 'deadline_exceeded' },
    });
    const { inference } = body as unknown as { inference: { job_id: string } };
    const job = (await rig.json(`/v1/jobs/${inference.job_id}`)).body;
    expect(job.deadline_at! * 1_000).toBeLessThan(Date.now() + 1);
  });
});
