/**
 * The queue path's own cost: the real product with the `null` backend, whose tokens cost nothing, so that what is left is HTTP, the durable
 * store, the queue, the worker, the engine process and the stream back. Latencies are milliseconds, single client; rates use 64 clients.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import { InkwellProcess, testKey } from '../support/inkwell-process.ts';
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
const wallMs = () => performance.timeOrigin + performance.now();

class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 128 });
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${testKey}`,
        ...(payload ? { 'content-type': 'application/json' } : {}),
      };
      const outgoing = request(this.#url + path, { method, agent: this.#agent, headers, timeout: 30_000 }, resolve);
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.open(method, path, body);
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Calls back with each SSE data payload and the moment it was parsed. */
  async events(response: IncomingMessage, onData: (data: string, at: number) => void): Promise<void> {
    const parser = createParser({ onEvent: (event) => onData(event.data, wallMs()) });
    for await (const chunk of response.setEncoding('utf8')) parser.feed(chunk);
  }

  close(): void {
    this.#agent.destroy();
  }
}

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
  const client = new Client(inkwell.url);
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
