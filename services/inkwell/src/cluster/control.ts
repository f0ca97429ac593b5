/**
 * How the commands `status`, `scale` and `drain` reach a running cluster: JSON over HTTP on a socket file that only its owner may open. No
 * port, no key.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Handler = (body: unknown) => Promise<unknown>;

/** Longest path a socket may have (`sun_path` of unix(7)), with some room. */
const longestPath = 100;
const longestBody = 65_536;
/** A scale up waits for models to load. */
const answerMs = 330_000;

/** In the data directory if the path is short enough for a socket, else in the system's temporary one. */
export function controlPath(directory: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\inkwell-${process.pid}`;
  const own = join(directory, 'cluster.sock');
  return own.length <= longestPath ? own : join(tmpdir(), `inkwell-cluster-${process.pid}.sock`);
}

export async function serveControl(path: string, handlers: Readonly<Record<string, Handler>>): Promise<Server> {
  if (process.platform !== 'win32') rmSync(path, { force: true });
  const server = createServer((incoming, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(JSON.stringify(body));
    const handler = handlers[incoming.url?.slice(1) ?? ''];
    if (!handler) return void answer(404, { error: 'unknown command' });
    readBody(incoming)
      .then(handler)
      .then(
        (result) => answer(200, result ?? {}),
        (error: unknown) => answer(400, { error: error instanceof Error ? error.message : String(error) }),
      );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  if (process.platform !== 'win32') chmodSync(path, 0o600);
  return server;
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of incoming) {
    text += chunk;
    if (text.length > longestBody) throw new Error('the command is too long');
  }
  return text === '' ? {} : JSON.parse(text);
}

/** @throws Error for people when nobody answers or the command was refused */
export function sendControl(path: string, command: string, body: unknown = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: path, path: `/${command}`, method: 'POST', timeout: answerMs },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          try {
            const answer = JSON.parse(text);
            if (response.statusCode === 200) resolve(answer);
            else reject(new Error(String(answer.error)));
          } catch {
            reject(new Error('the cluster gave no answer; is it stopping?'));
          }
        });
        response.on('error', reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('the cluster did not answer in time')));
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify(body));
  });
}
