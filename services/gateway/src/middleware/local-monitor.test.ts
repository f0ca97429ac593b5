import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Rig, startRig } from '../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const metrics = (headers: Record<string, string> = {}) => rig.request('/metrics', { key: null, headers });

it('shows metrics to this machine without a key', async () => {
  expect((await metrics()).status).toBe(200);
});

it.each([
  ['x-forwarded-for', '127.0.0.1'],
  ['forwarded', 'for=127.0.0.1'],
  ['via', '1.1 proxy'],
  ['x-real-ip', '127.0.0.1'],
])('asks for a key when a proxy passed the request on (%s)', async (name, value) => {
  expect((await metrics({ [name]: value })).status).toBe(401);
});

it('never takes a wrong key for none', async () => {
  expect((await metrics({ 'x-api-key': 'wrong' })).status).toBe(401);
});

it('opens nothing else', async () => {
  for (const path of ['/v1/models', '/v1/jobs', '/api/keys'])
    expect((await rig.request(path, { key: null })).status, path).toBe(401);
});
