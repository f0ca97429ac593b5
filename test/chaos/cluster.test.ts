/**
 * A cluster whose processes are killed with SIGKILL at random, servers included, and come back: nothing acknowledged is lost, every job has one
 * end, every stream is, byte for byte, what an undisturbed run gives. `CHAOS_KILLS=500 npm test -- test/chaos/cluster` is the long run.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterProcess, killIfAlive, ownServers, type Role } from '../support/cluster-process.ts';
import { testKey } from '../support/product-process.ts';
import { seededRandom } from '../support/random.ts';
import { type CollectedStream, collectStream, textOf } from '../support/sse.ts';

const kills = Number(process.env.CHAOS_KILLS ?? 10);
const jobCount = Math.max(60, kills * 5);
const victims: readonly Role[] = ['worker', 'gateway', 'worker', 'recorder', 'kafka', 'redis'];
const prompts = ['The old house', 'She said that', 'In the beginning', 'When Alice', 'My lord, the', 'It was late and'];
const headers = { authorization: `Bearer ${testKey}` };

const cluster = new ClusterProcess({ env: ownServers });
beforeAll(async () => {
  await cluster.start();
}, 180_000);
afterAll(() => cluster.dispose(), 60_000);

const requestOf = (i: number) => ({
  model: 'inkwell-small',
  prompt: `${prompts[i % prompts.length]}`,
  max_tokens: 40 + ((i * 7) % 61),
  temperature: i % 3 === 0 ? 0 : 1,
  seed: i,
  ...(i % 5 === 0 ? { n: 2 } : {}),
  ...(i % 4 === 0 ? { stop: ['\n\n', ' the end'] } : {}),
});

interface JobBody {
  status: string;
  result: { choices: { text: string; index: number }[] } | null;
}

/** Asks until somebody answers otherwise than with a 5xx: a dead gateway, a closed connection and a 503 are reasons to come again. */
async function insist(path: string, init: Parameters<ClusterProcess['request']>[1], signal: AbortSignal) {
  for (;;) {
    signal.throwIfAborted();
    try {
      const response = await cluster.request(path, init);
      if (response.status < 500) return response;
      expect(response.status, await response.text()).toBe(503);
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error;
    }
    await delay(100);
  }
}

async function submit(id: string, i: number, signal: AbortSignal): Promise<void> {
  const response = await insist(`/v1/jobs/${id}`, { method: 'PUT', body: requestOf(i) }, signal);
  expect([200, 202], await response.clone().text()).toContain(response.status);
}

async function finished(id: string, signal: AbortSignal): Promise<JobBody> {
  for (;;) {
    const response = await insist(`/v1/jobs/${id}?wait=10`, {}, signal);
    const job = (await response.json()) as JobBody;
    expect(response.status, JSON.stringify(job)).toBe(200);
    if (job.status !== 'queued' && job.status !== 'in_progress') return job;
  }
}

/** Of each role one: else a slow machine sees its servers die again and again, and nothing that would notice. */
async function untilAllRun(signal: AbortSignal): Promise<void> {
  const roles = new Set(victims);
  while (roles.difference(new Set(cluster.processes().map(({ role }) => role))).size > 0) {
    await delay(50, undefined, { signal });
  }
}

/** Who was killed again and again takes a while to come back. */
async function untilEveryGatewayAnswers(signal: AbortSignal): Promise<void> {
  for (const url of cluster.gateways) {
    const answers = () =>
      fetch(`${url}/api/health/readiness`, { signal }).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await answers())) await delay(50, undefined, { signal });
  }
}

const textsOf = (job: JobBody): string[] => job.result?.choices.map(({ text }) => text) ?? [];
const follow = (id: string, signal: AbortSignal) =>
  collectStream(() => `${cluster.url}/v1/jobs/${id}/events`, headers, signal);

function expectOneEnd(stream: CollectedStream): void {
  expect(stream.events.map(({ id }) => id)).toEqual(stream.events.map((_, index) => index + 1));
  expect(stream.events.filter(({ data }) => data.job)).toHaveLength(1);
}

describe('a cluster whose processes die', () => {
  const numbers = Array.from({ length: jobCount }, (_, i) => i);
  let expected: string[][];

  it('runs undisturbed first, to compare with', { timeout: 300_000 }, async () => {
    const signal = AbortSignal.timeout(280_000);
    await Promise.all(numbers.map((i) => submit(`calm-${i}`, i, signal)));
    const jobs = await Promise.all(numbers.map((i) => finished(`calm-${i}`, signal)));
    expect(jobs.map(({ status }) => status)).toEqual(numbers.map(() => 'completed'));
    expected = jobs.map(textsOf);
  });

  it(`loses nothing and repeats nothing through ${kills} kills`, { timeout: 600_000 + kills * 20_000 }, async () => {
    const random = seededRandom('cluster-chaos');
    const signal = AbortSignal.timeout(580_000 + kills * 20_000);
    const submitted: Promise<void>[] = [];
    const streams = new Map<number, Promise<CollectedStream>>();
    const killed: string[] = [];
    for (let round = 0; round < kills; round++) {
      for (const i of numbers.slice(
        Math.floor((round * jobCount) / kills),
        Math.floor(((round + 1) * jobCount) / kills),
      )) {
        const accepted = submit(`rough-${i}`, i, signal);
        submitted.push(accepted);
        if (i % 4 === 0)
          streams.set(
            i,
            accepted.then(() => follow(`rough-${i}`, signal)),
          );
      }
      await delay(50 + random.below(1500));
      await untilAllRun(signal);
      const role = victims[random.below(victims.length)] ?? 'worker';
      const running = cluster.processes(role);
      const victim = running[random.below(running.length)];
      if (victim !== undefined && killIfAlive(victim.pid)) killed.push(role);
    }
    console.log(`killed: ${killed.join(' ')}`);
    await Promise.all(submitted);
    const jobs = await Promise.all(numbers.map((i) => finished(`rough-${i}`, signal)));
    expect(jobs.map(({ status }) => status)).toEqual(numbers.map(() => 'completed'));
    expect(jobs.map(textsOf)).toEqual(expected);
    let reconnects = 0;
    for (const [i, collecting] of streams) {
      const stream = await collecting;
      reconnects += stream.reconnects;
      expectOneEnd(stream);
      for (const [index, text] of (expected[i] ?? []).entries()) expect(textOf(stream.events, index)).toBe(text);
    }
    console.log(`${streams.size} streams, ${reconnects} reconnects`);
    for (const i of numbers) expectOneEnd(await follow(`rough-${i}`, signal));
    expect(killed.length).toBeGreaterThan(kills / 2);
    await untilEveryGatewayAnswers(signal);
  });

  it('lets none of the writes of a worker through that was stopped past its lease and goes on', {
    timeout: 120_000,
  }, async () => {
    const signal = AbortSignal.timeout(110_000);
    const request = { ...requestOf(1), max_tokens: 400, ignore_eos: true };
    await insist('/v1/jobs/stopped-calm', { method: 'PUT', body: request }, signal);
    const calm = await follow('stopped-calm', signal);
    await insist('/v1/jobs/stopped', { method: 'PUT', body: request }, signal);
    let frozen: number | undefined;
    let workerId = '';
    const watching = new AbortController();
    const response = await fetch(`${cluster.url}/v1/jobs/stopped/events`, { headers, signal: watching.signal });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      workerId = /"worker":"([^"]+)"/.exec(text)?.[1] ?? '';
      if (!text.includes('job.delta') || workerId === '') continue;
      frozen = cluster.processes('worker').find(({ id }) => id === workerId)?.pid;
      break;
    }
    watching.abort();
    if (frozen === undefined) throw new Error(`worker ${workerId} is not in cluster.json`);
    process.kill(frozen, 'SIGSTOP');
    // Another worker has continued it: its start is in the stream. Then the first wakes, believing that it still has the job.
    const taken = await untilStarts('stopped', 2, signal);
    expect(taken).not.toBe(workerId);
    process.kill(frozen, 'SIGCONT');
    const rough = await follow('stopped', signal);
    expectOneEnd(rough);
    expect(textOf(rough.events)).toBe(textOf(calm.events));
    const starts = rough.events.filter(({ type }) => type === 'job.started').map(({ data }) => data.worker);
    expect(starts[0]).toBe(workerId);
    expect(starts.slice(1)).not.toContain(workerId);
  });

  /** The worker of the nth start of the job's stream. */
  async function untilStarts(id: string, count: number, signal: AbortSignal): Promise<string> {
    const leaving = new AbortController();
    const response = await fetch(`${cluster.url}/v1/jobs/${id}/events`, {
      headers,
      signal: AbortSignal.any([signal, leaving.signal]),
    });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const workers = [...text.matchAll(/"worker":"([^"]+)"/g)].map(([, worker]) => worker ?? '');
      if (workers.length < count) continue;
      leaving.abort();
      return workers[count - 1] ?? '';
    }
    throw new Error(`the stream ended before start ${count}`);
  }

  it('lets a client go on with its stream at another gateway', { timeout: 60_000 }, async () => {
    const signal = AbortSignal.timeout(50_000);
    const whole = await follow('rough-0', signal);
    const [one = '', other = ''] = cluster.gateways;
    expect(one).not.toBe(other);
    for (let cut = 1; cut < whole.events.length; cut += 3) {
      const response = await fetch(`${cut % 2 ? one : other}/v1/jobs/rough-0/events?starting_after=${cut}`, {
        headers,
      });
      const text = await response.text();
      const ids = [...text.matchAll(/^id: ?(\d+)$/gm)].map(([, id]) => Number(id));
      expect(ids).toEqual(whole.events.slice(cut).map(({ id }) => id));
    }
  });
});
