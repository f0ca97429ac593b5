/**
 * Where the time of a synchronous completion goes in a cluster, all features on. Alone: the hops between the moments its story tells, by the one
 * clock of this machine. Under load: processor time per request of each kind of process.
 */
import { childrenOf } from '../support/product-process.ts';
import { Client, wallMs } from './client.ts';
import { cpuTimeMs } from './cpu-time.ts';
import { quantile, rounded } from './statistics.ts';
import { ourCluster, type Servers, startServers, type Target, warmSeconds } from './targets.ts';
import { load } from './wrk.ts';

export interface Hop {
  name: string;
  p50Ms: number;
  p99Ms: number;
}

export interface BreakdownResult {
  hops: Hop[];
  /** Microseconds of processor time per request, 64 clients. */
  cpu: { process: string; microseconds: number }[];
  requestsPerSecond: number;
}

const one = { model: 'inkwell-small', prompt: 'x', max_tokens: 1, ignore_eos: true };
const samples = 300;
const clients = 64;
const seconds = 10;

export async function benchBreakdown(progress: (text: string) => void): Promise<BreakdownResult> {
  progress('breakdown: starting a cluster');
  const servers = await startServers();
  let target: Target | undefined;
  try {
    target = await ourCluster(servers, 'breakdown', 0);
    progress('breakdown: warming up');
    await loadAll(target, warmSeconds);
    progress('breakdown: one client');
    const hops = await measureHops(target);
    progress('breakdown: 64 clients');
    return { hops, ...(await measureCpu(target, servers)) };
  } finally {
    await target?.stop();
    await servers.stop();
  }
}

async function loadAll(
  { urls, headers }: Target,
  forSeconds: number,
): Promise<{ requests: number; perSecond: number }> {
  const connections = clients / urls.length;
  const results = await Promise.all(
    urls.map((url) => load({ url: `${url}/v1/completions`, headers, body: one, connections, seconds: forSeconds })),
  );
  return {
    requests: results.reduce((sum, { requests }) => sum + requests, 0),
    perSecond: results.reduce((sum, { perSecond }) => sum + perSecond, 0),
  };
}

const names = [
  'request → job made, and handed to a worker: HTTP, key, limits, rules, tokenising',
  'handed over → token drawn: Redis, engine process and its step',
  'token drawn → answer at the client: Redis, gateway, HTTP',
  'whole request',
] as const;

async function measureHops({ urls, headers }: Target): Promise<Hop[]> {
  const client = new Client(urls[0] ?? '', headers);
  const times: number[][] = names.map(() => []);
  try {
    for (let sample = 0; sample < samples; sample++) {
      const sentAt = wallMs();
      const response = await client.open('POST', '/v1/completions', one);
      for await (const _ of response) {
        // Read to its end.
      }
      const answeredAt = wallMs();
      const [madeAt, drawnAt] = await moments(client, String(response.headers['x-inkwell-job-id']));
      const marks = [sentAt, madeAt, drawnAt, answeredAt];
      for (let hop = 0; hop + 1 < marks.length; hop++) times[hop]?.push(marks[hop + 1]! - marks[hop]!);
      times.at(-1)?.push(answeredAt - sentAt);
    }
  } finally {
    client.close();
  }
  return names.map((name, index) => ({
    name,
    p50Ms: rounded(quantile(times[index]!, 0.5)),
    p99Ms: rounded(quantile(times[index]!, 0.99)),
  }));
}

/** When the job was made and had its first token, in Unix milliseconds. */
async function moments(client: Client, id: string): Promise<[number, number]> {
  const at = new Map<string, number>();
  await client.events(await client.open('GET', `/v1/jobs/${id}/events`), (data) => {
    const { type, created_at } = JSON.parse(data) as { type: string; created_at: number };
    if (!at.has(type)) at.set(type, created_at * 1000);
  });
  const moment = (type: string) => at.get(type) ?? Number.NaN;
  return [moment('job.queued'), moment('job.delta')];
}

async function measureCpu(target: Target, servers: Servers): Promise<Omit<BreakdownResult, 'hops'>> {
  const before = cpuTimes(target, servers);
  const { requests, perSecond } = await loadAll(target, seconds);
  const after = cpuTimes(target, servers);
  const cpu = [...after].map(([process, ms]) => ({
    process,
    microseconds: Math.round(((ms - (before.get(process) ?? 0)) * 1000) / requests),
  }));
  return { cpu, requestsPerSecond: rounded(perSecond) };
}

/** Milliseconds so far, by kind of process. */
function cpuTimes(target: Target, servers: Servers): Map<string, number> {
  const times = new Map<string, number>();
  const add = (name: string, pid: number) => times.set(name, (times.get(name) ?? 0) + cpuTimeMs(pid));
  for (const { role, pid } of target.processes?.() ?? []) {
    add(role, pid);
    if (role === 'worker') for (const child of childrenOf(pid)) add('engine', child);
  }
  for (const [name, pid] of Object.entries(servers.pids)) if (pid !== undefined) add(name, pid);
  return times;
}
