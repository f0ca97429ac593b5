/**
 * Ten thousand open event streams in one gateway: the memory each takes, and how fast events written to Redis reach the clients. A driver
 * appends to the stories as workers do; the gateway follows them; clients are raw sockets in a process of their own.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ClusterProcess as Cluster, ClusterProcess } from '../support/cluster-process.ts';
import { rounded } from './statistics.ts';
import { type Servers, startServers } from './targets.ts';

export interface StreamStep {
  eventsPerSecond: number;
  /** Due at the driver → parsed at the client; null when not everything could be written. */
  p50LagMs: number | null;
  p99LagMs: number | null;
  delivered: number;
  sent: number;
}

export interface StreamResult {
  streams: number;
  /** Resident memory of the gateway per open stream. */
  kBPerStream: number;
  steps: StreamStep[];
}

const namespace = 'bench-streams';
const rates = [10_000, 20_000, 30_000, 40_000, 50_000, 65_000, 80_000];
const stepSeconds = 4;
const acceptableLagMs = 250;

export async function benchStreams(streams: number, progress: (text: string) => void): Promise<StreamResult> {
  const servers = await startServers();
  try {
    return await measure(servers, streams, progress);
  } finally {
    await servers.stop();
  }
}

async function measure(servers: Servers, streams: number, progress: (text: string) => void): Promise<StreamResult> {
  progress(`streams: a gateway and ${streams} stories`);
  const cluster = await startGateway(servers);
  const driver = start('stream-driver.ts', { REDIS_URL: servers.redis, NAMESPACE: namespace });
  const clients = start('stream-clients.ts', { URL: cluster.gateways[0] ?? '' });
  try {
    await ask(driver, { command: 'create', streams });
    const pid = cluster.processes('gateway')[0]?.pid ?? 0;
    const before = residentKb(pid);
    await ask(clients, { command: 'open', streams });
    await ask(driver, { command: 'write', rate: streams, seconds: 2 });
    const kBPerStream = rounded((residentKb(pid) - before) / streams);
    const steps: StreamStep[] = [];
    for (const rate of rates) {
      progress(`streams: ${rate} events per second`);
      await ask(clients, { command: 'reset' });
      const writing = { command: 'write', rate, seconds: stepSeconds };
      const { sent, failed } = await ask<{ sent: number; failed: number }>(driver, writing);
      // Calls met their deadline: this is more than Redis takes here, and what is missing in a story makes all behind it stale.
      if (failed > 0) {
        steps.push({ eventsPerSecond: rate, p50LagMs: null, p99LagMs: null, delivered: sent - failed, sent });
        break;
      }
      const seen = await ask<{ p50: number; p99: number; count: number }>(clients, { command: 'read', expected: sent });
      steps.push({
        eventsPerSecond: rate,
        p50LagMs: rounded(seen.p50),
        p99LagMs: rounded(seen.p99),
        delivered: seen.count,
        sent,
      });
      if (seen.p99 > acceptableLagMs || seen.count < sent) break;
    }
    return { streams, kBPerStream, steps };
  } finally {
    for (const child of [driver, clients]) child.kill('SIGKILL');
    await cluster.dispose();
  }
}

async function startGateway({ kafka, redis, mongo }: Servers): Promise<Cluster> {
  const env = {
    KAFKA_BROKERS: kafka,
    REDIS_URL: redis,
    MONGO_URL: mongo,
    INKWELL_NAMESPACE: namespace,
    INKWELL_BACKEND: 'null',
  };
  return new ClusterProcess({ gateways: 1, workers: 0, env }).start();
}

function start(file: string, env: Record<string, string>): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), { env: { ...process.env, ...env } });
}

async function ask<T = unknown>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  const [answer] = (await once(child, 'message', { signal: AbortSignal.timeout(180_000) })) as [T & { error?: string }];
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

function residentKb(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' }).trim());
}
