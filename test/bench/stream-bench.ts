/**
 * Ten thousand open event streams in one gateway: the memory each takes, and how fast events written to Redis reach the clients. A driver
 * appends to the stories as workers do; the gateway follows them; clients are raw sockets in a process of their own. Beside it, at the same
 * rates and through the same clients, the floor: a bare node:http server that makes its events itself.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ClusterProcess } from '../support/cluster-process.ts';
import { cpuTimeMs, residentKb } from './cpu-time.ts';
import { rounded } from './statistics.ts';
import { type Servers, startServers } from './targets.ts';

export interface StreamStep {
  target: string;
  eventsPerSecond: number;
  /** Due at the driver → parsed at the client; null when not everything could be written. */
  p50LagMs: number | null;
  p99LagMs: number | null;
  delivered: number;
  sent: number;
  /** Microseconds of processor time per event, by process. */
  cpu: Readonly<Record<string, number>>;
}

export interface StreamResult {
  streams: number;
  /** Resident memory of the serving process per open stream, by target. */
  kBPerStream: Readonly<Record<string, number>>;
  steps: StreamStep[];
}

interface StreamTarget {
  name: string;
  url: string;
  /** Of the process that holds the streams. */
  pid: number;
  /** Where the time goes, the clients left out. */
  pids: Readonly<Record<string, number>>;
  /** What it is told to write events. */
  writer: ChildProcess;
  /** A process for each target: one alone may not have as many sockets open as two need. */
  clients: ChildProcess;
}

const namespace = 'bench-streams';
const rates = [10_000, 20_000, 30_000, 40_000, 50_000, 65_000, 80_000];
const stepSeconds = 4;
const acceptableLagMs = 250;
/** As a cluster starts its gateways. */
const gatewayFlags = ['--max-semi-space-size=16'];

type Progress = (text: string) => void;

export async function benchStreams(streams: number, progress: Progress): Promise<StreamResult> {
  const servers = await startServers();
  await using opened = new AsyncDisposableStack();
  opened.defer(() => servers.stop());
  const start = (file: string, env: Record<string, string> = {}, execArgv: string[] = []): ChildProcess => {
    const options = { env: { ...process.env, ...env }, execArgv };
    return opened.adopt(fork(fileURLToPath(new URL(file, import.meta.url)), options), (child) => {
      child.kill('SIGKILL');
    });
  };
  progress(`streams: a gateway and ${streams} stories`);
  const cluster = opened.adopt(await startGateway(servers), (one) => one.dispose());
  const driver = start('stream-driver.ts', { REDIS_URL: servers.redis, NAMESPACE: namespace });
  await ask(driver, { command: 'create', streams });
  const floor = start('floors/sse-floor.ts', {}, gatewayFlags);
  const { url } = await answerOf<{ url: string }>(floor);
  const gateway = cluster.processes('gateway')[0]?.pid ?? 0;
  const targets: StreamTarget[] = [
    {
      name: 'floor: bare node:http',
      url,
      pid: floor.pid ?? 0,
      pids: { server: floor.pid ?? 0 },
      writer: floor,
      clients: start('stream-clients.ts'),
    },
    {
      name: 'inkwell',
      url: cluster.gateways[0] ?? '',
      pid: gateway,
      pids: { gateway, redis: servers.pids.redis ?? 0, driver: driver.pid ?? 0 },
      writer: driver,
      clients: start('stream-clients.ts'),
    },
  ];
  return await measure(targets, streams, progress);
}

async function measure(targets: readonly StreamTarget[], streams: number, progress: Progress): Promise<StreamResult> {
  const kBPerStream: Record<string, number> = {};
  for (const { name, url, pid, writer, clients } of targets) {
    progress(`streams: opening ${streams} at ${name}`);
    const before = residentKb(pid);
    await ask(clients, { command: 'open', url, streams });
    await ask(writer, { command: 'write', rate: streams, seconds: 2 });
    await ask(clients, { command: 'read', expected: streams * 2 });
    kBPerStream[name] = rounded((residentKb(pid) - before) / streams);
  }
  const steps: StreamStep[] = [];
  const left = new Set(targets);
  for (const rate of rates)
    for (const target of left) {
      progress(`streams: ${rate} events per second, ${target.name}`);
      const step = await measureStep(target, rate);
      steps.push(step);
      const keptUp = step.delivered === step.sent && (step.p99LagMs ?? Infinity) <= acceptableLagMs;
      if (!keptUp) left.delete(target);
    }
  return { streams, kBPerStream, steps };
}

async function measureStep(target: StreamTarget, rate: number): Promise<StreamStep> {
  const { clients } = target;
  const pids = { ...target.pids, clients: clients.pid ?? 0 };
  await ask(clients, { command: 'reset' });
  const before = Object.values(pids).map(cpuTimeMs);
  const writing = { command: 'write', rate, seconds: stepSeconds };
  const { sent, failed } = await ask<{ sent: number; failed: number }>(target.writer, writing);
  const seen = await ask<{ p50: number; p99: number; count: number }>(clients, {
    command: 'read',
    expected: sent - failed,
  });
  const cpu = Object.entries(pids).map(([name, pid], index) => [
    name,
    rounded(((cpuTimeMs(pid) - before[index]!) * 1000) / sent),
  ]);
  // Calls met their deadline: this is more than Redis takes here, and what is missing in a story makes all behind it stale.
  const late = failed > 0;
  return {
    target: target.name,
    eventsPerSecond: rate,
    p50LagMs: late ? null : rounded(seen.p50),
    p99LagMs: late ? null : rounded(seen.p99),
    delivered: seen.count,
    sent,
    cpu: Object.fromEntries(cpu) as Record<string, number>,
  };
}

async function startGateway({ kafka, redis, mongo }: Servers): Promise<ClusterProcess> {
  const env = {
    KAFKA_BROKERS: kafka,
    REDIS_URL: redis,
    MONGO_URL: mongo,
    INKWELL_NAMESPACE: namespace,
    INKWELL_BACKEND: 'null',
  };
  return new ClusterProcess({ gateways: 1, workers: 0, env }).start();
}

async function ask<T = unknown>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  return answerOf<T>(child);
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const [answer] = (await once(child, 'message', { signal: AbortSignal.timeout(180_000) })) as [T & { error?: string }];
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}
