/**
 * The cluster's path beside its floors and a peer, in one alternating run over the same servers. Ours has every feature on and two processes of
 * each kind; the others have none, and one. What is reported for each is the median over the rounds; ratios are of one round each.
 */
import { Client } from './client.ts';
import { median, quantile, rounded } from './statistics.ts';
import {
  bullmqPeer,
  expressFloor,
  ourCluster,
  paceMs,
  queueFloor,
  type Servers,
  startServers,
  type Target,
  warmSeconds,
} from './targets.ts';
import { type LoadResult, load } from './wrk.ts';

export interface ClusterRow {
  target: string;
  /** One client, a completion of one token: milliseconds. */
  p50Ms: number;
  p99Ms: number;
  /** Against the Kafka floor, in the same round. */
  p50Ratio: number;
  p99Ratio: number;
  /** 64 clients. */
  requestsPerSecond: number;
  errors: number;
  /** 50 paced streams at once, request → first text; the engine's own time included. */
  firstChunkMs: number | null;
  /** The same without the engine: acceptance → start, and token → client. Ours only. */
  firstChunkAddedMs: number | null;
  /** Accepted by 64 clients and finished. Ours only. */
  jobsPerSecond: number | null;
}

interface Round {
  p50: number;
  p99: number;
  perSecond: number;
  errors: number;
  jobsPerSecond: number | null;
}

const one = { model: 'inkwell-small', prompt: 'x', max_tokens: 1, ignore_eos: true };
const samples = 400;
const seconds = 5;
const clients = 64;

export async function benchCluster(rounds: number, progress: (text: string) => void): Promise<ClusterRow[]> {
  progress('cluster: starting Kafka, Redis and MongoDB, and installing the peer');
  const servers = await startServers();
  try {
    const paths = await measurePaths(servers, rounds, progress);
    const streams = await measureStreams(servers, rounds, progress);
    return paths.map((row) => ({ ...row, ...streams.get(row.target) }));
  } finally {
    await servers.stop();
  }
}

async function withTargets<T>(makers: (() => Promise<Target>)[], work: (targets: Target[]) => Promise<T>): Promise<T> {
  const targets: Target[] = [];
  try {
    for (const make of makers) targets.push(await make());
    return await work(targets);
  } finally {
    await Promise.all(targets.map((target) => target.stop()));
  }
}

async function measurePaths(servers: Servers, rounds: number, progress: (text: string) => void) {
  const makers = [
    expressFloor,
    () => queueFloor(servers),
    () => bullmqPeer(servers),
    () => ourCluster(servers, 'bench', 0),
  ];
  return withTargets(makers, async (targets) => {
    const measured = new Map<Target, Round[]>(targets.map((target) => [target, []]));
    for (const target of targets) {
      progress(`cluster: warming up ${target.name}`);
      await loadAll(target, '/v1/completions', warmSeconds);
      if (isOurs(target)) await jobRate(target, warmSeconds);
    }
    for (let round = 0; round < rounds; round++)
      for (const [index] of targets.entries()) {
        // The order turns, so that nobody always follows the same neighbour.
        const target = targets[(index + round) % targets.length]!;
        progress(`cluster: round ${round + 1} of ${rounds}: ${target.name}`);
        measured.get(target)?.push(await measureRound(target, seconds));
      }
    const floor = measured.get(targets[1]!)!;
    return targets.map((target) => toRow(target, measured.get(target)!, floor));
  });
}

function toRow(target: Target, rounds: Round[], floor: Round[]): ClusterRow {
  const of = (value: (round: Round, index: number) => number) => rounded(median(rounds.map(value)));
  const jobs = rounds.flatMap(({ jobsPerSecond }) => jobsPerSecond ?? []);
  return {
    target: target.name,
    p50Ms: of(({ p50 }) => p50),
    p99Ms: of(({ p99 }) => p99),
    p50Ratio: of(({ p50 }, index) => p50 / floor[index]!.p50),
    p99Ratio: of(({ p99 }, index) => p99 / floor[index]!.p99),
    requestsPerSecond: of(({ perSecond }) => perSecond),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    firstChunkMs: null,
    firstChunkAddedMs: null,
    jobsPerSecond: jobs.length === 0 ? null : rounded(median(jobs)),
  };
}

const isOurs = (target: Target): boolean => target.headers.authorization !== undefined;

async function measureRound(target: Target, forSeconds: number): Promise<Round> {
  const client = new Client(target.urls[0] ?? '', target.headers);
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    const sentAt = performance.now();
    await client.json('POST', '/v1/completions', one);
    times.push(performance.now() - sentAt);
  }
  client.close();
  const results = await loadAll(target, '/v1/completions', forSeconds);
  return {
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    perSecond: results.reduce((sum, { perSecond }) => sum + perSecond, 0),
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
    jobsPerSecond: isOurs(target) ? await jobRate(target, forSeconds) : null,
  };
}

/** 64 clients, spread over all that the target can be asked at. */
function loadAll({ urls, headers }: Target, path: string, seconds: number): Promise<LoadResult[]> {
  const connections = clients / urls.length;
  return Promise.all(urls.map((url) => load({ url: url + path, headers, body: one, connections, seconds })));
}

/** Jobs accepted by 64 clients, divided by the time until the last of them has finished. */
async function jobRate(target: Target, forSeconds: number): Promise<number> {
  const startedAt = performance.now();
  const results = await loadAll(target, '/v1/jobs', forSeconds);
  const client = new Client(target.urls[0] ?? '', target.headers);
  try {
    for (const state of ['queued', 'in_progress'])
      for (;;) {
        const page = await client.json<{ data: { id: string }[] }>('GET', `/v1/jobs?state=${state}&limit=1`);
        const [waiting] = page.data;
        if (waiting === undefined) break;
        await client.json('GET', `/v1/jobs/${waiting.id}?wait=10`);
      }
  } finally {
    client.close();
  }
  const requests = results.reduce((sum, { requests: count }) => sum + count, 0);
  return (requests * 1000) / (performance.now() - startedAt);
}

const streamsAtOnce = 50;
const tokensPerStream = 64;

interface StreamTimes {
  firstChunkMs: number;
  firstChunkAddedMs: number | null;
}

async function measureStreams(servers: Servers, rounds: number, progress: (text: string) => void) {
  const makers = [
    () => queueFloor(servers),
    () => bullmqPeer(servers),
    () => ourCluster(servers, 'bench-paced', paceMs),
  ];
  return withTargets(makers, async (targets) => {
    const measured = new Map<string, StreamTimes[]>();
    for (const target of targets) await streamRound(target);
    for (let round = 0; round < rounds; round++)
      for (const [index] of targets.entries()) {
        const target = targets[(index + round) % targets.length]!;
        progress(`cluster: ${streamsAtOnce} streams, round ${round + 1} of ${rounds}: ${target.name}`);
        measured.set(target.name, [...(measured.get(target.name) ?? []), ...(await streamRound(target))]);
      }
    return new Map(
      [...measured].map(([name, all]) => {
        const added = all.flatMap(({ firstChunkAddedMs }) => firstChunkAddedMs ?? []);
        return [
          name,
          {
            firstChunkMs: rounded(median(all.map(({ firstChunkMs }) => firstChunkMs))),
            firstChunkAddedMs: added.length === 0 ? null : rounded(median(added)),
          },
        ];
      }),
    );
  });
}

/** Streams that begin 10 ms after each other, each read to its end. */
async function streamRound(target: Target): Promise<StreamTimes[]> {
  return Promise.all(
    Array.from({ length: streamsAtOnce }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, index * 10));
      const client = new Client(target.urls[index % target.urls.length] ?? '', target.headers);
      try {
        const sentAt = performance.timeOrigin + performance.now();
        const body = { ...one, max_tokens: tokensPerStream, stream: true };
        const response = await client.open('POST', '/v1/completions', body);
        let firstAt = 0;
        await client.events(response, (data, at) => {
          if (data !== '[DONE]') firstAt ||= at;
        });
        const id = response.headers['x-inkwell-job-id'];
        const addedMs = typeof id === 'string' ? await withoutEngine(client, id, sentAt, firstAt) : null;
        return { firstChunkMs: firstAt - sentAt, firstChunkAddedMs: addedMs };
      } finally {
        client.close();
      }
    }),
  );
}

async function withoutEngine(client: Client, id: string, sentAt: number, firstAt: number): Promise<number> {
  let startedAt = 0;
  let drawnAt = 0;
  await client.events(await client.open('GET', `/v1/jobs/${id}/events`), (data) => {
    const event = JSON.parse(data) as { type: string; created_at: number };
    if (event.type === 'job.started') startedAt ||= event.created_at * 1000;
    if (event.type === 'job.delta') drawnAt ||= event.created_at * 1000;
  });
  return startedAt - sentAt + (firstAt - drawnAt);
}
