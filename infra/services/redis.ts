/**
 * A real Redis for tests and for a cluster without Docker: the one at `REDIS_URL`, or a `redis-server` of our own with the append-only file
 * on. Where the program is missing and we may install it (Debian or Ubuntu, as root), it is installed; else the error says what to do.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Child, freePort, type RunningService, startChild } from './running-service.ts';

const run = promisify(execFile);

export interface OwnRedisOptions {
  /** Default: a new one under the system's temporary directory, removed by `stop`. */
  directory?: string;
  /** Default: any free one. Give the same again to come back after `kill`. */
  port?: number;
  /** When the append-only file is synced (default everysec, as in the compose file). */
  appendFsync?: 'always' | 'everysec';
}

/** The Redis at `REDIS_URL` if that is set, else one of our own. Share it: use key prefixes nobody else uses. */
export async function startRedis(): Promise<RunningService> {
  const url = process.env.REDIS_URL;
  if (url === undefined || url === '') return startOwnRedis();
  return { url, stop: async () => {}, kill: () => Promise.reject(new Error('The server at REDIS_URL is not ours.')) };
}

/** A Redis that belongs to the caller alone, whatever `REDIS_URL` says: for tests that kill or configure it. */
export async function startOwnRedis({ directory, port, appendFsync }: OwnRedisOptions = {}): Promise<RunningService> {
  await ensureProgram();
  const home = directory ?? (await mkdtemp(join(tmpdir(), 'inkwell-redis-')));
  const listenPort = port ?? (await freePort());
  const settings = {
    bind: '127.0.0.1',
    port: `${listenPort}`,
    dir: home,
    save: '',
    appendonly: 'yes',
    appendfsync: appendFsync ?? 'everysec',
    'maxmemory-policy': 'noeviction',
  };
  const child: Child = await startChild({
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    directory: home,
    ready: /Ready to accept connections/,
    readyTimeoutMs: 20_000,
  });
  return {
    url: `redis://127.0.0.1:${listenPort}`,
    async stop() {
      await child.end('SIGTERM');
      if (directory === undefined) await rm(home, { recursive: true, force: true });
    },
    kill: () => child.end('SIGKILL'),
  };
}

async function ensureProgram(): Promise<void> {
  if (await hasProgram()) return;
  const wayOut = 'Install redis-server 7 or newer, or set REDIS_URL to a Redis that tests may use.';
  if (process.getuid?.() !== 0) throw new Error(`There is no redis-server on this machine. ${wayOut}`);
  process.stderr.write('redis-server is missing: installing it with apt-get\n');
  try {
    await aptGet('install', '--no-install-recommends', 'redis-server').catch(async () => {
      await aptGet('update');
      await aptGet('install', '--no-install-recommends', 'redis-server');
    });
  } catch (error) {
    throw new Error(`redis-server is missing and apt-get could not install it. ${wayOut}`, { cause: error });
  }
}

async function hasProgram(): Promise<boolean> {
  try {
    await run('redis-server', ['--version'], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/** Another test may be installing at the same time, so apt waits for its lock. RUNLEVEL=1 keeps the package from starting a daemon. */
async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await run('apt-get', ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, timeout: 300_000 });
}
