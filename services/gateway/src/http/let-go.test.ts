import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { letGoOfHead, letGoOfRequest } from './let-go.ts';

let server: Server;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
afterEach(() => {
  agent.destroy();
  server.closeAllConnections();
  server.close();
});

it('lets go of what was needed for the head alone, and the answer and its connection go on as if nothing had been', async () => {
  const left: unknown[] = [];
  server = createServer((request, response) => {
    for (let index = 0; index < 30; index++) response.setHeader(`x-${index}`, `${index}`);
    response.writeHead(200, { 'x-last': 'last' });
    response.write('one ');
    letGoOfRequest(request);
    letGoOfHead(response);
    left.push({ ...response.getHeaders() }, response.headersSent, request.headers, request.rawHeaders, request.url);
    setImmediate(() => response.write('two '));
    setTimeout(() => response.end('three'), 5);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ports = new Set<number | undefined>();
  for (const path of ['/a', '/b']) {
    const headers = { authorization: 'Bearer long-and-secret' };
    const answer = await new Promise<IncomingMessage>((resolve) => get({ port, path, agent, headers }, resolve));
    ports.add(answer.socket.localPort);
    expect((await answer.toArray()).join('')).toBe('one two three');
    expect(answer.headers).toMatchObject({ 'x-0': '0', 'x-29': '29', 'x-last': 'last' });
  }
  expect(ports.size).toBe(1);
  expect(left).toEqual([{}, true, {}, [], '/a', {}, true, {}, [], '/b']);
});

it('leaves a response alone whose head was not written yet', async () => {
  server = createServer((_request, response) => {
    response.setHeader('x-kept', 'yes');
    letGoOfHead(response);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await new Promise<IncomingMessage>((resolve) => get({ port, agent }, resolve));
  expect(answer.headers['x-kept']).toBe('yes');
  answer.resume();
});
