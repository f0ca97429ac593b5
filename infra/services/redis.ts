/**
 * A real Redis for tests and for a cluster without Docker: the one at `REDIS_URL`, or a `redis-server` of our own with the append-only file
 * on. Where the program is missing and we may install it (Debian or Ubuntu, as root), it is installed; else the error says what to do.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './certificate.ts';
import { ensureProgram } from './ensure-program.ts';
import { type Child, freePort, type RunningService, startChild } from './running-service.ts';

export interface OwnRedisOptions {
  /** Default: a new one under the system's temporary directory, removed by `stop`. */
  directory?: string;
  /** Default: any free one. Give the same again to come back after `kill`. */
  port?: number;
  /** When the append-only file is synced (default everysec, as in the compose file). */
  appendFsync?: 'always' | 'everysec';
  ownGroup?: boolean;
  /** Clients are only let in over TLS and by password. */
  guard?: CertificateFiles & { username: string; password: string };
}

/** The Redis at `REDIS_URL` if that is set, else one of our own. Share it: use key prefixes nobody else uses. */
export async function startRedis(): Promise<RunningService> {
  const url = process.env.REDIS_URL;
  if (url === undefined || url === '') return startOwnRedis();
  return { url, stop: async () => {}, kill: () => Promise.reject(new Error('The server at REDIS_URL is not ours.')) };
}

/** A Redis that belongs to the caller alone, whatever `REDIS_URL` says: for tests that kill or configure it. */
export async function startOwnRedis({
  directory,
  port,
  appendFsync,
  ownGroup,
  guard,
}: OwnRedisOptions = {}): Promise<RunningService> {
  await ensureProgram({
    name: 'redis-server',
    versionFlag: '--version',
    aptPackage: 'redis-server',
    instead: 'Install redis-server 7 or newer, or set REDIS_URL to a Redis that tests may use.',
  });
  const home = directory ?? (await mkdtemp(join(tmpdir(), 'inkwell-redis-')));
  const listenPort = port ?? (await freePort());
  const settings = {
    bind: '127.0.0.1',
    ...(guard ? { port: '0', 'tls-port': `${listenPort}` } : { port: `${listenPort}` }),
    dir: home,
    save: '',
    appendonly: 'yes',
    appendfsync: appendFsync ?? 'everysec',
    'maxmemory-policy': 'noeviction',
    ...(guard && {
      'tls-cert-file': guard.certificateFile,
      'tls-key-file': guard.keyFile,
      'tls-auth-clients': 'no',
      user: `${guard.username} on >${guard.password} ~* &* +@all`,
    }),
  };
  const child: Child = await startChild({
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [
      `--${name}`,
      ...(name === 'user' ? value.split(' ') : [value]),
    ]),
    directory: home,
    ready: /Ready to accept connections/,
    readyTimeoutMs: 20_000,
    ownGroup,
  });
  return {
    url: guard
      ? `rediss://${guard.username}:${guard.password}@127.0.0.1:${listenPort}`
      : `redis://127.0.0.1:${listenPort}`,
    pid: child.pid,
    ended: child.ended,
    async stop() {
      await child.end('SIGTERM');
      if (directory === undefined) await rm(home, { recursive: true, force: true });
    },
    kill: () => child.end('SIGKILL'),
  };
}
