import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';
import { type ProbeServer, serveProbes } from './probe-server.ts';

let ready = true;
let refreshed = 0;
let probes: ProbeServer;
beforeAll(async () => {
  const metrics = createMetrics();
  metrics.deadLetters.inc(3);
  probes = await serveProbes({
    port: 0,
    host: '127.0.0.1',
    metrics,
    isReady: () => ready,
    refresh: async () => {
      refreshed++;
      if (refreshed > 1) throw new Error('a secret inside');
    },
  });
});
afterAll(() => probes.close());

const get = (path: string, method = 'GET') => fetch(probes.url + path, { method });

it('shows the metrics as they are now, and no reason when they cannot be read', async () => {
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain');
  expect(await response.text()).toContain('inkwell_dead_letters_total 3');
  const failed = await get('/metrics');
  expect([failed.status, await failed.text()]).toEqual([500, 'The metrics could not be read.\n']);
});

it('is ready when the process is, and alive in any case', async () => {
  expect((await get('/health/readiness')).status).toBe(200);
  ready = false;
  expect((await get('/health/readiness')).status).toBe(503);
  expect((await get('/health/liveness')).status).toBe(200);
});

it.each([
  ['/', 'GET'],
  ['/metrics', 'POST'],
  ['/metrics/../x', 'GET'],
])('has nothing at %s for %s', async (path, method) => {
  expect((await get(path, method)).status).toBe(404);
});
