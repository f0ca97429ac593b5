/** Load by `wrk`, which costs the machine far less than a client of our own would: requests per second and errors. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureProgram } from '../../infra/services/ensure-program.ts';

const run = promisify(execFile);

export interface Load {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: object;
  connections: number;
  seconds: number;
}

export interface LoadResult {
  requests: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Answers that are no 2xx, and connections that broke. */
  errors: number;
}

export async function load({ url, headers, body, connections, seconds }: Load): Promise<LoadResult> {
  await ensureProgram({ name: 'wrk', versionFlag: '-v', versionExit: 1, aptPackage: 'wrk', instead: 'Install wrk.' });
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-wrk-'));
  const script = join(directory, 'post.lua');
  const all = Object.entries({ 'content-type': 'application/json', ...headers });
  const lines = [
    'wrk.method = "POST"',
    `wrk.body = ${JSON.stringify(JSON.stringify(body))}`,
    ...all.map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`),
    'function done(summary, latency)',
    '  local e = summary.errors',
    '  io.write(string.format("RESULT %d %d %.3f %.3f %d\\n", summary.requests, summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))',
    'end',
  ];
  try {
    await writeFile(script, lines.join('\n'));
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', script, url];
    const { stdout } = await run('wrk', args, { timeout: (seconds + 60) * 1000 });
    const [, requests, microseconds, p50, p99, errors] = /RESULT (\d+) (\d+) (\S+) (\S+) (\d+)/.exec(stdout) ?? [];
    if (requests === undefined) throw new Error(`wrk said: ${stdout}`);
    return {
      requests: Number(requests),
      perSecond: (Number(requests) * 1e6) / Number(microseconds),
      p50Ms: Number(p50),
      p99Ms: Number(p99),
      errors: Number(errors),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}
