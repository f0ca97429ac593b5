/**
 * The queue path's own cost: the real product with the `null` backend, whose tokens cost nothing, so that what is left is HTTP, the durable
 * store, the queue, the worker, the engine process and the stream back. Latencies are milliseconds, single client; rates use 64 clients.
 */
import { InkwellProcess } from '../support/inkwell-process.ts';
import { testKey } from '../support/product-process.ts';
import { Client } from './client.ts';
import { type Latency, latency, rounded } from './statistics.ts';

export interface PathResult {
  /** POST /v1/jobs sent → 202 read; the job is on disk. */
  acceptMs: Latency;
  /** Record's creation → the worker's `job.started`. */
  acceptToStartMs: Latency;
  /** First token's event made in the worker → its bytes parsed at the client. */
  tokenToClientMs: Latency;
  /** POST /v1/completions of one token, sent → answer read. */
  completionMs: Latency;
  /** Streamed completion, sent → first chunk with text, 50 streams at once. */
  firstChunk50StreamsMs: Latency;
  /** Sync completions of one token per second, 64 clients. */
  completionsPerSecond: number;
  /** Jobs accepted and finished per second, 64 clients. */
  jobsPerSecond: number;
}

const one = { model: 'inkwell-small', prompt: 'x', max_tokens: 1, ignore_eos: true };
interface EventData {
  type: string;
  created_at: number;
  index?: number;
}

async function jobLatencies(client: Client, rounds: number) {
  const accept: number[] = [];
  const start: number[] = [];
  const token: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const sentAt = performance.now();
    const job = await client.json<{ id: string; created_at: number }>('POST', '/v1/jobs', {
      ...one,
      priority: 'interactive',
    });
    accept.push(performance.now() - sentAt);
    await client.events(await client.open('GET', `/v1/jobs/${job.id}/events`), (data, _at) => {
      const event = JSON.parse(data) as EventData;
      if (event.type === 'job.started') start.push((event.created_at - job.created_at) * 1000);
    });
    // The stream of a job must be open before its token is made for the way to the client to be seen whole.
    let madeAt = 0;
    const streamed = await client.open('POST', '/v1/completions', { ...one, max_tokens: 1, stream: true });
    const id = String(streamed.headers['x-inkwell-job-id']);
    let seenAt = 0;
    await client.events(streamed, (_, at) => {
      seenAt ||= at;
    });
    await client.events(await client.open('GET', `/v1/jobs/${id}/events`), (data) => {
      const event = JSON.parse(data) as EventData;
      if (event.type === 'job.delta' && madeAt === 0) madeAt = event.created_at * 1000;
    });
    token.push(seenAt - madeAt);
  }
  return { acceptMs: latency(accept), acceptToStartMs: latency(start), tokenToClientMs: latency(token) };
}

async function timed(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    await work();
    times.push(performance.now() - startedAt);
  }
  return times;
}

async function firstChunk(client: Client): Promise<number> {
  const startedAt = performance.now();
  const response = await client.open('POST', '/v1/completions', { ...one, max_tokens: 8, stream: true });
  let first = 0;
  await client.events(response, () => {
    first ||= performance.now() - startedAt;
  });
  return first;
}

/** Runs `work` from 64 clients for `seconds`; answers completed calls per second. */
async function rate(seconds: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const client = async () => {
    while (performance.now() - startedAt < seconds * 1000) {
      await work();
      done++;
    }
  };
  await Promise.all(Array.from({ length: 64 }, client));
  return rounded((done * 1000) / (performance.now() - startedAt));
}

async function jobRate(client: Client, seconds: number): Promise<number> {
  const startedAt = performance.now();
  let last = '';
  let count = 0;
  await rate(seconds, async () => {
    last = (await client.json<{ id: string }>('POST', '/v1/jobs', one)).id;
    count++;
  });
  for (let status = 'queued'; status === 'queued' || status === 'in_progress'; )
    status = (await client.json<{ status: string }>('GET', `/v1/jobs/${last}?wait=30`)).status;
  return rounded((count * 1000) / (performance.now() - startedAt));
}

export async function benchPath(progress: (text: string) => void): Promise<PathResult> {
  const inkwell = await new InkwellProcess({ env: { INKWELL_BACKEND: 'null' } }).start();
  const client = new Client(inkwell.url, { authorization: `Bearer ${testKey}` });
  try {
    progress('path: latencies, one client');
    await jobLatencies(client, 20);
    const latencies = await jobLatencies(client, 200);
    const sync = () => client.json('POST', '/v1/completions', one);
    const completion = await timed(300, sync);
    progress('path: 50 streams at once');
    const chunks: number[] = [];
    for (let i = 0; i < 10; i++)
      chunks.push(...(await Promise.all(Array.from({ length: 50 }, () => firstChunk(client)))));
    progress('path: rates, 64 clients');
    await rate(2, sync);
    const completionsPerSecond = await rate(6, sync);
    const jobsPerSecond = await jobRate(client, 6);
    return {
      ...latencies,
      completionMs: latency(completion),
      firstChunk50StreamsMs: latency(chunks),
      completionsPerSecond,
      jobsPerSecond,
    };
  } finally {
    client.close();
    await inkwell.dispose();
  }
}
