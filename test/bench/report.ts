/** Renders what was measured: a Markdown page for `docs/benchmarks.md`, which is also readable on a terminal. */
import { cpus, totalmem } from 'node:os';
import type { EngineRow } from './engine-bench.ts';
import type { PathResult } from './path-bench.ts';

export interface BenchReport {
  date: string;
  machine: string;
  rows: EngineRow[];
  path: PathResult | null;
}

export function describeMachine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

function table(header: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function engineTable(rows: EngineRow[]): string {
  const header = [
    'engine',
    'backend',
    'batch 1',
    '4',
    '8',
    '16',
    'prefill 128',
    '512',
    'first token, 64-token prompt',
    'RSS',
    'load',
  ];
  const cells = rows.map((row) => [
    row.engine,
    row.backend,
    ...['1', '4', '8', '16'].map((batch) => row.decode[batch] ?? '–'),
    row.prefill['128'] ?? '–',
    row.prefill['512'] ?? '–',
    `${row.ttftMs} ms`,
    `${row.rssMb} MB`,
    `${row.loadS} s`,
  ]);
  return `## Engine\n\nTokens per second; decode at positions 128 and up, medians of alternating rounds.\n\n${table(header, cells)}\n`;
}

function pathTable(path: PathResult): string {
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
  return `## Path\n\nThe whole embedded edition with the \`null\` backend, over HTTP on loopback.\n\n${table(['', 'p50', 'p99'], latencies)}\n\n${rates}\n`;
}

export function renderReport(report: BenchReport): string {
  const parts = [
    `# Benchmarks\n\nMeasured by \`npm run bench\` on ${report.date}: ${report.machine}.\nMachines differ and are noisy: compare ratios, and measure yours.\n`,
  ];
  if (report.rows.length > 0) parts.push(engineTable(report.rows));
  if (report.path) parts.push(pathTable(report.path));
  return parts.join('\n');
}
