/**
 * The same with BullMQ, the best known queue of Node, in place of Kafka: no features either. It is no dependency of ours; the bench installs it
 * beside itself and names its folder in `BULLMQ`. Roles: `gateway`, `worker`.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import express from 'express';
import { Redis } from 'ioredis';
import { chunk, completion } from './completion.ts';

const { ROLE = '', REDIS_URL = '', BULLMQ = '', PACE_MS = '20' } = process.env;

/** What we use of it. */
interface Job {
  id: string;
  data: { channel: string; tokens: number; stream: boolean };
  waitUntilFinished(events: object, ttlMs: number): Promise<unknown>;
}
interface BullMq {
  Queue: new (name: string, options: object) => { add(name: string, data: object): Promise<Job> };
  QueueEvents: new (
    name: string,
    options: object,
  ) => { waitUntilReady(): Promise<void>; setMaxListeners(n: number): void };
  Worker: new (
    name: string,
    process: (job: Job) => Promise<unknown>,
    options: object,
  ) => { waitUntilReady(): Promise<void> };
}

const { Queue, QueueEvents, Worker } = createRequire(`${BULLMQ}/package.json`)('bullmq') as BullMq;
const { hostname: host, port } = new URL(REDIS_URL);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

async function serveGateway(): Promise<void> {
  const queue = new Queue('floor', {
    connection,
    defaultJobOptions: { removeOnComplete: { count: 1000 }, removeOnFail: true },
  });
  const events = new QueueEvents('floor', { connection });
  await events.waitUntilReady();
  events.setMaxListeners(0);
  const channel = `floor:${randomUUID()}`;
  const waiting = new Map<string, (text: string, last: boolean) => void>();
  const listener = new Redis(REDIS_URL);
  await listener.subscribe(channel);
  listener.on('message', (_channel, message: string) => {
    const { id, text, last } = JSON.parse(message);
    waiting.get(id)?.(text, last);
  });
  const app = express();
  app.post('/v1/completions', express.json(), async (request, response) => {
    const { stream = false, max_tokens: tokens = 1 } = request.body;
    if (!stream) {
      const job = await queue.add('one', { channel, tokens, stream });
      await job.waitUntilFinished(events, 30_000);
      return void response.json(completion(job.id));
    }
    const id = randomUUID();
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.on('close', () => waiting.delete(id));
    waiting.set(id, (text, last) => {
      response.write(`data: ${JSON.stringify(chunk(id, text, last))}\n\n`);
      if (last) response.end('data: [DONE]\n\n');
    });
    await queue.add('one', { channel, tokens, stream, id });
  });
  const server = app.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.keepAliveTimeout = 60_000;
    process.stdout.write(`listening ${typeof address === 'object' ? address?.port : ''}\n`);
  });
}

async function work(): Promise<void> {
  const redis = new Redis(REDIS_URL);
  const worker = new Worker(
    'floor',
    async ({ data }) => {
      const { channel, tokens, stream, id } = data as Job['data'] & { id: string };
      for (let i = 1; stream && i <= tokens; i++) {
        void redis.publish(channel, JSON.stringify({ id, text: ' the', last: i === tokens }));
        if (i < tokens) await delay(Number(PACE_MS));
      }
      return ' the';
    },
    { connection, concurrency: 64 },
  );
  await worker.waitUntilReady();
  process.stdout.write('listening worker\n');
}

await (ROLE === 'gateway' ? serveGateway() : work());
