/** What the person who started a cluster, or asks one, sees. Text for people by default, one JSON object per line with `--json`. */
import { basename } from 'node:path';
import { z } from 'zod';
import { curlLine } from '../console-output.ts';
import type { Cluster } from './cluster.ts';

interface ClusterReady {
  cluster: Cluster;
  workers: number;
  tookMs: number;
  modelDir: string | undefined;
}

export interface ClusterOutput {
  progress(text: string): void;
  ready(info: ClusterReady): void;
  stopping(): void;
}

function curlOf(url = '', modelDir: string | undefined, apiKeyFile: string | null): string {
  return curlLine({ url, model: modelDir === undefined ? 'inkwell-small' : basename(modelDir), apiKeyFile });
}

export function jsonClusterOutput(write: (line: string) => void): ClusterOutput {
  const say = (message: Record<string, unknown>) => write(JSON.stringify(message));
  return {
    progress: (text) => say({ event: 'progress', text }),
    ready: ({ cluster: { gateways, servers, dataDir, apiKeyFile }, workers, tookMs, modelDir }) =>
      say({
        event: 'ready',
        url: gateways[0],
        gateways,
        workers,
        servers,
        dataDir,
        apiKeyFile,
        tookMs,
        curl: curlOf(gateways[0], modelDir, apiKeyFile),
      }),
    stopping: () => say({ event: 'stopping' }),
  };
}

export function textClusterOutput(write: (line: string) => void): ClusterOutput {
  return {
    progress: (text) => write(`  ${text}`),
    ready({ cluster, workers, tookMs, modelDir }) {
      const { gateways, servers, dataDir, apiKeyFile, newApiKey } = cluster;
      write('');
      write(`  The cluster is ready   (${(tookMs / 1000).toFixed(1)} s)`);
      write('');
      write(`  gateways  ${gateways.join('  ')}`);
      write(`  workers   ${workers}`);
      write(`  Kafka     ${servers.kafka}`);
      write(`  Redis     ${servers.redis}`);
      write(`  MongoDB   ${servers.mongo}`);
      write(`  data      ${dataDir}`);
      if (newApiKey) write(`  API key   ${newApiKey}`);
      if (newApiKey) write(`            made just now and shown only this once; it also lies in ${apiKeyFile}`);
      else write(`  API key   ${apiKeyFile ? `in ${apiKeyFile}` : 'the one you have: INKWELL_BOOTSTRAP_KEY'}`);
      write('');
      write('  Try it:');
      write('');
      write(curlOf(gateways[0], modelDir, apiKeyFile));
      write('');
      write('  In another terminal: npm run cluster -- status | scale workers=4 | drain worker=ID');
      write('  Ctrl-C stops everything; accepted jobs wait on disk and go on at the next start.');
    },
    stopping: () => write('\n  Stopping: gateways close, workers finish what runs … (Ctrl-C again to stop at once)'),
  };
}

const statusSchema = z.object({
  gateways: z.array(z.string()),
  processes: z.array(z.looseObject({ role: z.string(), pid: z.number() })),
  workers: z.union([
    z.object({ error: z.string() }),
    z.object({
      data: z.array(
        z.looseObject({
          id: z.string(),
          status: z.string(),
          engine: z.string().nullable(),
          running_jobs: z.number(),
          queued_jobs: z.number(),
          tokens_per_second: z.number(),
        }),
      ),
    }),
  ]),
});

/** The answer of `status` as a table for people. */
export function renderStatus(answer: unknown): string {
  const { gateways, processes, workers } = statusSchema.parse(answer);
  const lines = [`  gateways   ${gateways.join('  ') || 'none runs'}`, ''];
  lines.push(...table([['ROLE', 'PID'], ...processes.map(({ role, pid }) => [role, `${pid}`])]), '');
  if ('error' in workers) return [...lines, `  workers: ${workers.error}`].join('\n');
  const rows = workers.data.map((one) => [
    one.id,
    one.status,
    `${one.running_jobs}`,
    `${one.queued_jobs}`,
    one.tokens_per_second.toFixed(0),
    one.engine ?? 'loading',
  ]);
  lines.push(...table([['WORKER', 'STATUS', 'RUNNING', 'WAITING', 'TOKENS/S', 'ENGINE'], ...rows]));
  return lines.join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}
