/** Renders what was measured: sections of a Markdown page for `docs/benchmarks.md`, which are also readable on a terminal. */
import { cpus, totalmem } from 'node:os';
import type { BreakdownResult } from './breakdown-bench.ts';
import type { ClusterRow } from './cluster-bench.ts';
import type { EngineReport } from './engine-bench.ts';
import { engineText, qualityText } from './engine-report.ts';
import type { FailoverResult } from './failover-bench.ts';
import { type MemoryReport, memoryText } from './memory-bench.ts';
import type { PathResult } from './path-bench.ts';
import type { QualityRow } from './quality-bench.ts';
import type { ServingResult } from './serving-bench.ts';
import { type SpeculationRow, speculationText } from './speculation-bench.ts';
import { rounded } from './statistics.ts';
import type { StreamResult } from './stream-bench.ts';
import { table } from './table.ts';

export interface Section {
  date: string;
  machine: string;
  result:
    | ({ part: 'engine' } & EngineReport)
    | ({ part: 'memory' } & MemoryReport)
    | { part: 'quality'; quality: QualityRow[] }
    | { part: 'speculation'; speculation: SpeculationRow[] }
    | ({ part: 'serving' } & ServingResult)
    | { part: 'path'; path: PathResult }
    | { part: 'cluster'; rows: ClusterRow[] }
    | ({ part: 'breakdown' } & BreakdownResult)
    | ({ part: 'streams' } & StreamResult)
    | ({ part: 'failover' } & FailoverResult);
}

export function describeMachine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

function servingText({ device, engine, platform, share, shareSpread }: ServingResult): string {
  return `16 clients stream 128 tokens each behind prompts of 64, GPT-2 124M with random weights, ${device}. Engine alone: ${engine} tokens/s, prefill included; through HTTP, queue, worker and SSE of the embedded edition: ${platform} tokens/s. Share: ${rounded(share * 100)} % (${shareSpread.map((one) => rounded(one * 100)).join('–')} %).`;
}

function pathText(path: PathResult): string {
  const rows: [string, PathResult[keyof PathResult]][] = [
    ['job accepted (on disk), one client', path.acceptMs],
    ['accept → worker start', path.acceptToStartMs],
    ['worker token → client byte', path.tokenToClientMs],
    ['synchronous completion of one token, one client', path.completionMs],
    ['first streamed chunk, 50 streams at once', path.firstChunk50StreamsMs],
  ];
  const latencies = rows.map(([name, value]) =>
    typeof value === 'object' ? [name, `${value.p50} ms`, `${value.p99} ms`] : [],
  );
  const rates = `64 clients: ${path.completionsPerSecond} synchronous completions per second; ${path.jobsPerSecond} jobs per second accepted and finished.`;
  return `The whole embedded edition with the \`null\` backend, over HTTP on loopback.\n\n${table(['', 'p50', 'p99'], latencies)}\n\n${rates}`;
}

function breakdownText({ hops, cpu, requestsPerSecond }: BreakdownResult): string {
  const latencies = hops.map(({ name, p50Ms, p99Ms }) => [name, `${p50Ms} ms`, `${p99Ms} ms`]);
  const shares = cpu.map(({ process, microseconds }) => [process, `${microseconds} µs`]);
  const whole = cpu.reduce((sum, { microseconds }) => sum + microseconds, 0);
  return `A synchronous completion of one token, all features on, one client:

${table(['hop', 'p50', 'p99'], latencies)}

64 clients, after half a minute of the same load, ${requestsPerSecond} requests per second: ${whole} µs of processor time each, by kind of process (the client's own left out):

${table(['process', 'per request'], shares)}`;
}

function clusterText(rows: ClusterRow[]): string {
  const header = [
    '',
    '1 client p50',
    'p99',
    'p50 ÷ floor',
    'p99 ÷ floor',
    '64 clients, requests/s',
    'failed',
    'first chunk, 50 streams',
    'of it not the engine',
    'jobs/s',
  ];
  const ms = (value: number | null) => (value === null ? null : `${value} ms`);
  const cells = rows.map((row) => [
    row.target,
    ms(row.p50Ms),
    ms(row.p99Ms),
    row.p50Ratio,
    row.p99Ratio,
    row.requestsPerSecond,
    row.errors,
    ms(row.firstChunkMs),
    ms(row.firstChunkAddedMs),
    row.jobsPerSecond,
  ]);
  return `A completion of one token over HTTP on loopback, client and servers on the same cores; after half a minute of load on each; medians of alternating rounds over the same Kafka and Redis (append-only file, fsync every second). The \`null\` backend draws a token every 20 ms in the streams; the floors send the first at once. A job of ours for which a worker has room is handed to it through Redis; what must wait, and every job's record for audit and usage, goes through Kafka.\n\n${table(header, cells)}`;
}

function streamText({ streams, kBPerStream, steps }: StreamResult): string {
  const rows = steps.map((step) => [
    step.target,
    step.eventsPerSecond,
    step.p50LagMs === null ? null : `${step.p50LagMs} ms`,
    step.p99LagMs === null ? null : `${step.p99LagMs} ms`,
    `${step.delivered} of ${step.sent}`,
    Object.entries(step.cpu)
      .map(([name, microseconds]) => `${name} ${microseconds}`)
      .join(', '),
  ]);
  const sizes = Object.entries(kBPerStream);
  const floor = sizes[0]?.[1] ?? Number.NaN;
  const memory = sizes.map(([name, kB]) => [name, `${kB} kB`, rounded(kB / floor)]);
  return `${streams} open streams in one process, and the memory each takes:

${table(['', 'per stream', '÷ floor'], memory)}

Events to all of them in turn, until they are parsed at the client. Each of ours is an append of its own, checked by its fence; what falls due within 4 ms reaches Redis in calls of up to 128. The floor makes its own and has neither Redis nor a driver. Both run with a young generation of at most 16 MiB per half, as a cluster starts its gateways.

${table(['', 'events/s', 'lag p50', 'p99', 'delivered', 'processor time per event, µs'], rows)}`;
}

function failoverText({ kills, p50Ms, p99Ms, maxMs }: FailoverResult): string {
  return `From the SIGKILL of the worker that writes a stream to the next token at its reader, ${kills} kills: p50 ${p50Ms} ms, p99 ${p99Ms} ms, longest ${maxMs} ms.`;
}

const titles = {
  engine: 'Engine',
  memory: 'Memory',
  quality: 'Quality',
  speculation: 'Speculation',
  serving: 'Serving',
  path: 'Path',
  cluster: 'Cluster',
  breakdown: 'Where the time goes in a cluster',
  streams: 'Streams',
  failover: 'Failover',
} as const;

function textOf(result: Section['result']): string {
  switch (result.part) {
    case 'engine':
      return engineText(result);
    case 'memory':
      return memoryText(result);
    case 'quality':
      return qualityText(result.quality);
    case 'speculation':
      return speculationText(result.speculation);
    case 'serving':
      return servingText(result);
    case 'path':
      return pathText(result.path);
    case 'cluster':
      return clusterText(result.rows);
    case 'breakdown':
      return breakdownText(result);
    case 'streams':
      return streamText(result);
    case 'failover':
      return failoverText(result);
  }
}

export function renderSection({ date, machine, result }: Section): string {
  return `## ${titles[result.part]}\n\nMeasured by \`npm run bench -- ${result.part}\` on ${date}: ${machine}.\n\n${textOf(result)}\n`;
}

/** Puts sections in the place of those with the same title; new ones come last. */
export function mergeSections(page: string, sections: readonly Section[]): string {
  const parts = page.split(/^(?=## )/m).map((part) => part.trimEnd());
  for (const section of sections) {
    const text = renderSection(section).trimEnd();
    const title = text.slice(0, text.indexOf('\n'));
    const place = parts.findIndex((part) => part.startsWith(`${title}\n`));
    if (place === -1) parts.push(text);
    else parts[place] = text;
  }
  return `${parts.join('\n\n')}\n`;
}
