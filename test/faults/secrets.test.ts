/**
 * What drivers say when their server fails may hold what they were sending. Everything that carries a secret or a text is done while each
 * dependency resets its connections, with all logged that can be; neither a log line nor an answer holds what was planted.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Fault } from '../../infra/services/fault-proxy.ts';
import { Secrets } from '../support/secrets.ts';
import { type DependencyName, type FaultyCluster, startFaultyCluster } from './faulty-cluster.ts';

const secrets = new Secrets();
const password = secrets.plant('password', 'c4n4ry horse battery staple');
const prompt = secrets.plant('prompt', 'a c4n4ry prompt of nobody else');
const metadata = secrets.plant('metadata', 'c4n4ry-metadata-value');
const idempotencyKey = secrets.plant('idempotency key', 'c4n4ry-idempotency-key');
const model = 'inkwell-small';

let cluster: FaultyCluster;
const answers: string[] = [];
beforeAll(async () => {
  cluster = await startFaultyCluster(5, 'trace');
  secrets.plant('key', cluster.key);
}, 180_000);
afterAll(() => cluster?.close());

interface Answer {
  status: number;
  body: Record<string, string>;
}

async function ask(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(cluster.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status >= 400) answers.push(text);
  return { status: response.status, body: response.ok && text.startsWith('{') ? JSON.parse(text) : {} };
}

let turns = 0;

/** Comes, generates and makes a key, as far as it gets. */
async function everything(): Promise<void> {
  const turn = ++turns;
  const user = { username: `canary-${turn}`, password };
  await ask('/api/auth/register', user);
  const { body: tokens } = await ask('/api/auth/login', user);
  for (const name of ['access_token', 'refresh_token']) {
    if (tokens[name]) secrets.plant(`${name} ${turn}`, tokens[name]);
  }
  if (tokens.refresh_token) await ask('/api/auth/refresh', { refresh_token: tokens.refresh_token });
  const own = { 'x-api-key': cluster.key };
  const { body: made } = await ask('/api/keys', { name: 'canary', tenant: 'acme', signed: true }, own);
  for (const name of ['key', 'signing_secret']) if (made[name]) secrets.plant(`${name} ${turn}`, made[name]);
  const job = { model, prompt, max_tokens: 20, metadata: { mine: metadata }, stop: [prompt] };
  await ask('/v1/jobs', job, { ...own, 'idempotency-key': `${idempotencyKey}-${turn}` });
  await ask('/v1/completions', job, own);
  await ask('/v1/completions', { ...job, stream: true }, own);
}

const dependencies: DependencyName[] = ['redis', 'mongo', 'kafka'];
/** The fault lasts until so many were refused because of it. */
const refusalsEach = 5;
/** What was asked is done or not, its answer is lost, and new connections end alike. */
const fault: Fault = { kind: 'reset' };

it('holds no secret and no text, whatever fails while they are on their way', { timeout: 180_000 }, async () => {
  await everything();
  for (const dependency of dependencies) {
    const stopped = new AbortController();
    const clients = Promise.all(
      Array.from({ length: 3 }, async () => {
        while (!stopped.signal.aborted) {
          await everything();
          await delay(20);
        }
      }),
    );
    // Some of each request is on its way when the fault comes, and when it goes.
    await delay(300);
    await cluster.proxies[dependency].inflict(fault);
    const before = answers.length;
    while (answers.length < before + refusalsEach) await delay(50);
    await cluster.proxies[dependency].heal();
    stopped.abort();
    await clients;
  }
  const logged = cluster.output;
  const failures = logged.split('\n').filter((line) => line.includes('"err":'));
  console.log(`${turns} turns, ${answers.length} refusals, ${failures.length} failures logged`);
  expect(failures.length).toBeGreaterThan(5);
  expect(secrets.findIn(logged), 'log').toEqual([]);
  for (const answer of answers) expect(secrets.findIn(answer)).toEqual([]);
});
