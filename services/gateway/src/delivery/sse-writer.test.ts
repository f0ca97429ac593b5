import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Heartbeat } from './heartbeat.ts';
import { SseWriter } from './sse-writer.ts';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A response under test and, at its other end, a client that reads nothing by itself. */
async function connect(): Promise<{ response: ServerResponse; client: Promise<IncomingMessage> }> {
  const arrived = Promise.withResolvers<ServerResponse>();
  server = createServer((_request, response) => arrived.resolve(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = new Promise<IncomingMessage>((resolve) => get({ port, host: '127.0.0.1' }, resolve));
  return { response: await arrived.promise, client };
}

const frame = `data: ${'x'.repeat(1_000)}\n\n`;

describe('the SSE writer', () => {
  it('holds a producer back while its client does not read, and loses nothing', async () => {
    const { response, client } = await connect();
    const writer = new SseWriter(response, { heartbeat: new Heartbeat(60_000), stallLimitMs: 60_000 });
    let sent = 0;
    let blocked: Promise<void> | undefined;
    while (!blocked) {
      blocked = writer.write(frame);
      sent += 1;
    }
    let received = '';
    const reader = await client;
    reader.setEncoding('utf8').on('data', (text) => {
      received += text;
    });
    await blocked;
    const ended = new Promise((resolve) => reader.once('end', resolve));
    writer.write('data: last\n\n');
    writer.end();
    await ended;
    expect(received).toBe(`retry: 1000\n\n${frame.repeat(sent)}data: last\n\n`);
  });

  it('drops a client that leaves its stream unread for too long', async () => {
    const { response, client } = await connect();
    const writer = new SseWriter(response, { heartbeat: new Heartbeat(60_000), stallLimitMs: 50 });
    for (let blocked: Promise<void> | undefined; !response.destroyed; await blocked) blocked = writer.write(frame);
    expect(response.destroyed).toBe(true);
    await expect((await client).toArray()).rejects.toThrow('aborted');
  });

  it('sends what is written in one turn as one chunk', async () => {
    const { response, client } = await connect();
    const chunks: string[] = [];
    const write = response.write.bind(response);
    response.write = ((chunk: string) => {
      chunks.push(chunk);
      return write(chunk);
    }) as typeof response.write;
    const writer = new SseWriter(response, { heartbeat: new Heartbeat(60_000), stallLimitMs: 60_000 });
    for (let i = 0; i < 5; i++) writer.write(`data: ${i}\n\n`);
    const reader = await client;
    await new Promise((resolve) => setImmediate(resolve));
    writer.end();
    await reader.resume().toArray();
    expect(chunks).toEqual(['retry: 1000\n\n', 'data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n']);
  });
});
