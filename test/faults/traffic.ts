/** Clients of every kind of endpoint, each asking again and again; and what they were answered, how late. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { openModelDirectory } from '@inkwell/gpt2';

export interface Seen {
  kind: string;
  status: number;
  code: string | null;
  retryAfter: string | null;
  startedAt: number;
  tookMs: number;
  /** Of that what the client asked to wait. */
  waitMs: number;
  text: string;
}

export interface Target {
  url: string;
  key: string;
}

type Ask = (target: Target, jobs: string[]) => { path: string; method?: string; body?: object; headers?: object };

const { id: model } = await openModelDirectory({});
const prompt = { model, prompt: 'Once upon a time', max_tokens: 3 };
const some = (jobs: string[]) => jobs[Math.floor(Math.random() * jobs.length)]!;
const longPollMs = 1_000;

/** One request of each kind. `jobs` are ids of jobs that exist. */
const kinds: Readonly<Record<string, Ask>> = {
  'create a job': () => ({ path: '/v1/jobs', body: prompt, headers: { 'idempotency-key': randomUUID() } }),
  'put a job': () => ({ path: `/v1/jobs/${randomUUID()}`, method: 'PUT', body: prompt }),
  complete: () => ({ path: '/v1/completions', body: prompt }),
  'stream a completion': () => ({ path: '/v1/completions', body: { ...prompt, stream: true } }),
  'generate with a key': () => ({ path: '/api/llm/generate/api-key', body: prompt }),
  'get a job': (_, jobs) => ({ path: `/v1/jobs/${some(jobs)}` }),
  'wait for a job': (_, jobs) => ({ path: `/v1/jobs/${some(jobs)}?wait=${longPollMs / 1_000}` }),
  'read events': (_, jobs) => ({ path: `/v1/jobs/${some(jobs)}/events` }),
  'list jobs': () => ({ path: '/v1/jobs?limit=3' }),
  'cancel a job': (_, jobs) => ({ path: `/v1/jobs/${some(jobs)}/cancel`, method: 'POST' }),
  'cancel jobs': () => ({ path: '/v1/jobs/cancel', body: { metadata: { nobody: 'has this' } } }),
  'list keys': () => ({ path: '/api/keys' }),
  'make a key': () => ({ path: '/api/keys', body: { name: 'made under fault', tenant: 'acme' } }),
  'list models': () => ({ path: '/v1/models' }),
  'list workers': () => ({ path: '/api/admin/workers' }),
};
export const kindNames = Object.keys(kinds);

/** A job that runs for long enough to meet a fault. */
export const longJob = (maxTokens: number) => ({ ...prompt, max_tokens: maxTokens, seed: 1 });

export async function askOnce(target: Target, kind: string, jobs: string[]): Promise<Seen> {
  const { path, method, body, headers } = kinds[kind]!(target, jobs);
  const startedAt = performance.now();
  const response = await fetch(target.url + path, {
    method: method ?? (body ? 'POST' : 'GET'),
    headers: { 'x-api-key': target.key, ...(body && { 'content-type': 'application/json' }), ...headers },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  const tookMs = performance.now() - startedAt;
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? null;
  const retryAfter = response.headers.get('retry-after');
  const waitMs = kind === 'wait for a job' ? longPollMs : 0;
  return { kind, status: response.status, code, retryAfter, startedAt, tookMs, waitMs, text };
}

/** All kinds at once, one after the other each, until the signal aborts; then what was seen. */
export async function traffic(target: Target, jobs: string[], signal: AbortSignal): Promise<Seen[]> {
  const seen: Seen[] = [];
  const pauseMs = 60;
  await Promise.all(
    kindNames.map(async (kind) => {
      while (!signal.aborted) {
        seen.push(await askOnce(target, kind, jobs));
        await delay(pauseMs, undefined, { signal }).catch(() => {});
      }
    }),
  );
  return seen;
}

/** Greatest lateness of timers in this process since it was asked for, in milliseconds: what the machine owes, not the gateway. */
export function watchLateness(): () => number {
  const everyMs = 20;
  let worst = 0;
  let due = performance.now() + everyMs;
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - due);
    due = now + everyMs;
  }, everyMs);
  return () => {
    clearInterval(timer);
    return worst;
  };
}
