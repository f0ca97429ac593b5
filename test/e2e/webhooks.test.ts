/**
 * Webhooks through the whole product: a real receiver that fails first, whose calls the public library verifies, and a server that is killed between
 * two tries.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdition } from '../support/edition.ts';
import { InkwellProcess } from '../support/inkwell-process.ts';

interface Message {
  type: string;
  data: { id: string; status: string; usage: { total_tokens: number } };
}

interface Arrival {
  id: string;
  at: number;
  body: string;
  headers: Record<string, string>;
}

const arrivals: Arrival[] = [];
let onArrival = () => {};
/** Answered in turn to each job, then 204. */
let statuses: readonly number[] = [];

const jobOf = ({ body }: Arrival) => (JSON.parse(body) as Message).data.id;
const ofJob = (id: string) => arrivals.filter((one) => jobOf(one) === id);

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const headers = request.headers as Record<string, string>;
  const arrival = { id: headers['webhook-id']!, at: performance.now(), body, headers };
  arrivals.push(arrival);
  response.writeHead(statuses[ofJob(jobOf(arrival)).length - 1] ?? 204).end();
  onArrival();
}

function untilArrived(job: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    onArrival = () => ofJob(job).length >= count && resolve();
    onArrival();
  });
}

const receiver = createServer((request, response) => void receive(request, response));
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
const webhook = `http://${host}/hook?of=inkwell`;

const inkwell = createEdition({ env: { INKWELL_BACKEND: 'null', INKWELL_WEBHOOK_ALLOWED_HOSTS: host } });
beforeAll(async () => {
  await inkwell.start();
});
afterAll(async () => {
  await inkwell.dispose();
  receiver.closeAllConnections();
  receiver.close();
});

const request = { model: 'inkwell-small', prompt: 'Once', max_tokens: 4, ignore_eos: true };

async function submit(body: object): Promise<string> {
  const response = await inkwell.request('/v1/jobs', { body: { ...request, ...body } });
  expect(response.status, await response.clone().text()).toBe(202);
  return ((await response.json()) as { id: string }).id;
}

it('arrives signed when a job ends, again until the receiver takes it, and no more then', {
  timeout: 90_000,
}, async () => {
  const { secret } = (await (await inkwell.request('/api/webhooks/secret')).json()) as { secret: string };
  statuses = [500, 503];
  const id = await submit({ webhook });
  await untilArrived(id, 3);
  // One that comes later passes by what waits; when it is here, a fourth try of the first would have had its chance.
  statuses = [];
  const second = await submit({ webhook });
  await untilArrived(second, 1);

  const tries = ofJob(id);
  expect(tries).toHaveLength(3);
  expect(new Set(tries.map((one) => one.id)).size).toBe(1);
  // Growing pauses: 1 s, then 5 s.
  const [first, next, last] = tries.map(({ at }) => at) as [number, number, number];
  expect(next - first).toBeGreaterThan(950);
  expect(last - next).toBeGreaterThan(4_950);
  for (const { body, headers } of arrivals) {
    const message = new Webhook(secret).verify(body, headers) as Message;
    expect(message).toMatchObject({ type: 'job.completed', data: { status: 'completed', usage: { total_tokens: 6 } } });
    expect(body).not.toContain('Once');
  }
});

it('arrives for a job that never ran as well', async () => {
  statuses = [];
  const id = await submit({ webhook, deadline: 1 });
  await untilArrived(id, 1);
  expect(JSON.parse(ofJob(id)[0]!.body)).toMatchObject({ type: 'job.expired', data: { status: 'expired' } });
});

it.each([
  'http://example.com/',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://[::ffff:10.0.0.1]/',
  'https://169.254.169.254/latest',
  'https://user:secret@example.com/',
  'ftp://example.com/',
  'example.com',
])('refuses %s when the job is created', async (target) => {
  const response = await inkwell.request('/v1/jobs', { body: { ...request, webhook: target } });
  expect(response.status).toBe(400);
  expect(((await response.json()) as { error: { param: string } }).error.param).toBe('webhook');
});

/** Whatever sends webhooks, by SIGKILL; it comes back. */
async function killSender(): Promise<void> {
  if (inkwell instanceof InkwellProcess) {
    await inkwell.killNine();
    await inkwell.start();
  } else for (const { pid } of inkwell.processes('recorder')) process.kill(pid, 'SIGKILL');
}

it('is not forgotten by a server killed between two tries', { timeout: 120_000 }, async () => {
  statuses = [500, 500];
  const id = await submit({ webhook });
  await untilArrived(id, 2);
  await killSender();
  await untilArrived(id, 3);
  expect(new Set(ofJob(id).map((one) => one.id)).size).toBe(1);
});
