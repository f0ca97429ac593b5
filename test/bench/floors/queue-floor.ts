/**
 * The least that HTTP → Kafka → worker → Redis → HTTP can cost with these very libraries: no key, no validation, no record, nothing kept, one
 * topic, one process for each role. What our path adds to it is the price of its promises. Roles: `gateway`, `worker`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import express from 'express';
import { Redis } from 'ioredis';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { chunk, completion } from './completion.ts';

const { ROLE = '', KAFKA_BROKERS = '', REDIS_URL = '', FLOOR_TOPIC = 'floor', PACE_MS = '20' } = process.env;
const kafka = new Kafka({ clientId: `floor-${ROLE}`, brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });

interface Request {
  id: string;
  channel: string;
  tokens: number;
  stream: boolean;
}

interface Piece {
  id: string;
  text: string;
  last: boolean;
}

async function serveGateway(): Promise<void> {
  const channel = `floor:${randomUUID()}`;
  const waiting = new Map<string, (piece: Piece) => void>();
  const listener = new Redis(REDIS_URL);
  await listener.subscribe(channel);
  listener.on('message', (_channel, text: string) => {
    const piece = JSON.parse(text) as Piece;
    waiting.get(piece.id)?.(piece);
  });
  const publish = await batchingPublisher();
  const app = express();
  app.post('/v1/completions', express.json(), async (request, response) => {
    const id = randomUUID();
    const { stream = false, max_tokens: tokens = 1 } = request.body;
    response.on('close', () => waiting.delete(id));
    if (stream) response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    waiting.set(id, ({ text, last }) => {
      if (!stream) return void response.json(completion(id));
      response.write(`data: ${JSON.stringify(chunk(id, text, last))}\n\n`);
      if (last) response.end('data: [DONE]\n\n');
    });
    await publish({ key: id, value: JSON.stringify({ id, channel, tokens, stream } satisfies Request) });
  });
  const server = app.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.keepAliveTimeout = 60_000;
    process.stdout.write(`listening ${typeof address === 'object' ? address?.port : ''}\n`);
  });
}

/** What comes while a produce call is under way goes out together in the next. */
async function batchingPublisher() {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  let next: { message: { key: string; value: string }; done: PromiseWithResolvers<void> }[] = [];
  let sending = false;
  const send = async () => {
    sending = true;
    while (next.length > 0) {
      const group = next;
      next = [];
      await producer.send({ topic: FLOOR_TOPIC, acks: -1, messages: group.map(({ message }) => message) });
      for (const { done } of group) done.resolve();
    }
    sending = false;
  };
  return (message: { key: string; value: string }) => {
    const done = Promise.withResolvers<void>();
    next.push({ message, done });
    if (!sending) setImmediate(() => !sending && void send());
    return done.promise;
  };
}

async function work(): Promise<void> {
  const redis = new Redis(REDIS_URL);
  const consumer = kafka.consumer({ groupId: 'floor', maxWaitTimeInMs: 100, heartbeatInterval: 500 });
  await consumer.connect();
  await consumer.subscribe({ topic: FLOOR_TOPIC });
  consumer.on(consumer.events.GROUP_JOIN, () => process.stdout.write('listening worker\n'));
  await consumer.run({
    partitionsConsumedConcurrently: 4,
    eachMessage: async ({ message }) => {
      const request = JSON.parse(String(message.value)) as Request;
      void answer(redis, request);
    },
  });
}

async function answer(redis: Redis, { id, channel, tokens, stream }: Request): Promise<void> {
  const pieces = stream ? tokens : 1;
  for (let i = 1; i <= pieces; i++) {
    void redis.publish(channel, JSON.stringify({ id, text: ' the', last: i === pieces } satisfies Piece));
    if (i < pieces) await delay(Number(PACE_MS));
  }
}

await (ROLE === 'gateway' ? serveGateway() : work());
