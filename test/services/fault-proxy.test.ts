/** The faults other tests rely on are the faults they say they are. Behind the proxy stands a real server that echoes what it hears. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../infra/services/fault-proxy.ts';

let server: Server;
let heard: string[];
let proxy: FaultProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  heard = [];
  server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      heard.push(String(bytes));
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startFaultProxy(`tcp://127.0.0.1:${(server.address() as { port: number }).port}/0`);
});

afterEach(async () => {
  await proxy.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

async function open(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** What comes back within the time, or how the connection ended. */
async function ask(socket: Socket, text: string, timeoutMs = 5_000): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (bytes) => resolve(String(bytes)));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.once('close', () => resolve('closed'));
  });
  socket.write(text);
  return Promise.race([answer, delay(timeoutMs, 'silence', { ref: false })]);
}

it('passes everything on, both ways, and the end too', async () => {
  const socket = await open();
  expect(await ask(socket, 'hello')).toBe('hello');
  const ended = once(socket, 'end');
  sockets[1]!.end();
  await ended;
});

it('cut: ends what is open, refuses what comes, and takes both again afterwards', async () => {
  const before = await open();
  expect(await ask(before, 'a')).toBe('a');
  const closed = once(before, 'close');
  await proxy.inflict({ kind: 'cut' });
  await closed;
  await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await proxy.heal();
  expect(await ask(await open(), 'b')).toBe('b');
});

it('slow: answers come later, all of them, in order, and none is overtaken by what follows the healing', async () => {
  const socket = await open();
  await proxy.inflict({ kind: 'slow', delayMs: 300 });
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  const start = performance.now();
  for (const part of ['a', 'b', 'c']) {
    socket.write(part);
    await expect.poll(() => heard.join('')).toContain(part);
  }
  await proxy.heal();
  socket.write('d');
  await expect.poll(() => text, { timeout: 5_000 }).toBe('abcd');
  expect(performance.now() - start).toBeGreaterThanOrEqual(290);
});

it('reset: what was asked is done, its answer is lost', async () => {
  const before = await open();
  await proxy.inflict({ kind: 'reset' });
  expect(await ask(before, 'before')).toBe('ECONNRESET');
  expect(await ask(await open(), 'during')).toBe('ECONNRESET');
  expect(heard).toEqual(['before', 'during']);
  await proxy.heal();
  expect(await ask(await open(), 'after')).toBe('after');
});

it('black hole: no answer, no end, and no revival of those who were in it', async () => {
  const before = await open();
  expect(await ask(before, 'a')).toBe('a');
  await proxy.inflict({ kind: 'black hole' });
  const during = await open();
  expect(await Promise.all([ask(before, 'b', 100), ask(during, 'c', 100)])).toEqual(['silence', 'silence']);
  await proxy.heal();
  expect(await Promise.all([ask(before, 'd', 100), ask(during, 'e', 100)])).toEqual(['silence', 'silence']);
  expect(await ask(await open(), 'f')).toBe('f');
  expect(heard).toEqual(['a', 'f']);
});

it('needs an address with a port', async () => {
  await expect(startFaultProxy('redis://localhost')).rejects.toThrow('no port');
});
