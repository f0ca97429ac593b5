import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
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
    const written: string[] = [];
    const socket = response.socket!;
    const write = socket.write.bind(socket);
    socket.write = ((piece: string) => {
      written.push(piece);
      return write(piece);
    }) as typeof socket.write;
    const writer = new SseWriter(response, { heartbeat: new Heartbeat(60_000), stallLimitMs: 60_000 });
    written.length = 0;
    for (let i = 0; i < 5; i++) writer.write(`data: ${i} é\n\n`);
    const reader = await client;
    await new Promise((resolve) => setImmediate(resolve));
    const [piece] = written;
    writer.end();
    const text = 'data: 0 é\n\ndata: 1 é\n\ndata: 2 é\n\ndata: 3 é\n\ndata: 4 é\n\n';
    expect(piece).toBe(`3c\r\n${text}\r\n`);
    expect((await reader.setEncoding('utf8').toArray()).join('')).toBe(`retry: 1000\n\n${text}`);
  });

  it.each(['1.1', '1.0'])('tells HTTP/%s clients the same, also who asks twice on one connection', async (version) => {
    server = createServer((_request, response) => {
      const writer = new SseWriter(response, { heartbeat: new Heartbeat(60_000), stallLimitMs: 60_000 });
      writer.write('data: é\n\n');
      setImmediate(() => {
        writer.write('data: 2\n\n');
        setImmediate(() => writer.end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connectSocket((server.address() as AddressInfo).port, '127.0.0.1');
    const head = `GET / HTTP/${version}\r\nhost: test\r\n`;
    const requests = version === '1.0' ? `${head}\r\n` : `${head}\r\n${head}connection: close\r\n\r\n`;
    socket.write(requests);
    const answer = (await socket.setEncoding('utf8').toArray()).join('');
    const bodies = answer.split(/HTTP\/1\.1 200 OK\r\n(?:.+\r\n)+\r\n/).slice(1);
    const plain = (body: string) => body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, '').trimEnd();
    expect(bodies).toHaveLength(version === '1.0' ? 1 : 2);
    for (const body of bodies) expect(plain(body)).toBe('retry: 1000\n\ndata: é\n\ndata: 2');
  });
});
