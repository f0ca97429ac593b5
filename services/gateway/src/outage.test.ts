/** What clients of a gateway see while the store behind it is silent: refusals in time, streams that stay, and everything again afterwards. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { GatewayPorts } from './context.ts';
import { type Rig, type RigOptions, startRig, testModel } from './testing/rig.ts';
import { allSse, readSse } from './testing/sse.ts';

const bounds = { dependencyTimeoutMs: 1_000, requestBudgetMs: 2_000, dependencyRestMs: 100, pulseMs: 100 };

/** A switch between the gateway and a store that goes on behind it. */
function breakable() {
  let silent = false;
  const open = new Set<() => void>();
  const port = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, property) {
        const method: unknown = Reflect.get(target, property, target);
        if (typeof method !== 'function' || property === 'consume') return method;
        if (property === 'follow' || property === 'subscribe' || property === 'awaitEnd') return method.bind(target);
        return (...given: unknown[]) =>
          silent ? new Promise((resolve) => open.add(() => resolve(undefined))) : Reflect.apply(method, target, given);
      },
    });
  const wrapPorts: RigOptions['wrapPorts'] = (ports) =>
    Object.fromEntries(
      Object.entries(ports).map(([name, value]) => [name, typeof value === 'object' && value ? port(value) : value]),
    ) as unknown as GatewayPorts;
  return {
    wrapPorts,
    set silent(value: boolean) {
      silent = value;
    },
  };
}

let rig: Rig;
afterEach(() => rig.close());

const create = () => rig.json('/v1/jobs', { body: { model: testModel, prompt: 'Hello' } });
const readiness = async () => (await rig.request('/api/health/readiness', { key: null })).json();

it('refuses in time, then at once, names what is down, and is as before when it is back', async () => {
  const store = breakable();
  rig = await startRig({ wrapPorts: store.wrapPorts, config: bounds });
  expect((await create()).status).toBe(202);
  store.silent = true;
  const first = await create();
  expect([first.status, first.body.error.code]).toEqual([503, 'dependency_unavailable']);
  expect(Number(first.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  await expect.poll(readiness, { timeout: 10_000 }).toEqual({ status: 'unavailable', down: ['store'] });
  const metrics = await (await rig.request('/metrics', { key: null })).text();
  expect(metrics).toMatch(/inkwell_breaker_state\{dependency="store"\} [12]/);
  expect(metrics).toMatch(/inkwell_dependency_refusals_total\{dependency="store",reason="late"\} \d/);
  expect((await rig.request('/api/health/liveness', { key: null })).status).toBe(200);
  store.silent = false;
  await expect.poll(async () => (await create()).status, { timeout: 5_000 }).toBe(202);
  await expect.poll(readiness, { timeout: 10_000 }).toEqual({ status: 'ok' });
});

it('keeps streams open through an outage and goes on behind the last event', async () => {
  const store = breakable();
  rig = await startRig({ wrapPorts: store.wrapPorts, config: bounds });
  const { id } = (await create()).body;
  const worker = await rig.startWorker(id);
  const stream = await rig.request(`/v1/jobs/${id}/events`);
  const frames = readSse(stream);
  await worker.say('a');
  for (let i = 0; i < 3; i++) await frames.next();
  store.silent = true;
  await expect.poll(readiness, { timeout: 10_000 }).toMatchObject({ down: ['store'] });
  // Longer than anybody who only waits for a job would bear it.
  await expect(rig.request(`/v1/jobs/${id}?wait=30`).then(({ status }) => status)).resolves.toBe(503);
  await worker.say('b');
  await worker.end('completed');
  store.silent = false;
  const rest = [];
  for await (const frame of frames) rest.push(frame);
  expect(rest.map(({ id: seq, event }) => [seq, event])).toEqual([
    ['4', 'job.delta'],
    ['5', 'job.completed'],
  ]);
});

it('ends a stream without a word once its patience is over, and the client resumes', async () => {
  const store = breakable();
  rig = await startRig({ wrapPorts: store.wrapPorts, config: { ...bounds, streamPatienceMs: 200 } });
  const { id } = (await create()).body;
  const worker = await rig.startWorker(id);
  await worker.say('a');
  const stream = await rig.request(`/v1/jobs/${id}/events`);
  store.silent = true;
  const before = await allSse(stream);
  expect(before.map(({ event }) => event)).toEqual(['job.queued', 'job.started', 'job.delta']);
  store.silent = false;
  await worker.end('completed');
  const again = () => rig.request(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': before.at(-1)!.id! } });
  await expect.poll(async () => (await create()).status, { timeout: 5_000 }).toBe(202);
  // Calls of the outage may still come to their deadlines, and end the stream in the same way: then the client comes back once more.
  await expect
    .poll(async () => (await allSse(await again())).map(({ event }) => event), { timeout: 10_000 })
    .toEqual(['job.completed']);
});

it('takes no more connections than it is set to, and takes others when some have gone', async () => {
  rig = await startRig({ config: { maxConnections: 3 } });
  const { port } = new URL(rig.url);
  const open = () => connect(Number(port), '127.0.0.1').on('error', () => {});
  const kept = [open(), open(), open()];
  await Promise.all(kept.map((socket) => once(socket, 'connect')));
  const beyond = open();
  await once(beyond, 'close');
  for (const socket of kept) socket.destroy();
  await expect.poll(async () => (await rig.request('/version').catch(() => undefined))?.status).toBe(200);
});
