/**
 * `npm run bench [-- PART …] [--peers] [--json] [--write] [--rounds N]`: measures parts of the product on this machine. Progress goes to stderr; `--write`
 * puts each measured part into its section of docs/benchmarks.md and leaves the others as they are. With `--peers` llama.cpp and ONNX
 * Runtime run in the engine's rounds.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchBreakdown } from './breakdown-bench.ts';
import { benchCluster } from './cluster-bench.ts';
import { benchEngine } from './engine-bench.ts';
import { benchFailover } from './failover-bench.ts';
import { benchMemory } from './memory-bench.ts';
import { benchPath } from './path-bench.ts';
import { benchQuality } from './quality-bench.ts';
import { describeMachine, mergeSections, renderSection, type Section } from './report.ts';
import { benchServing } from './serving-bench.ts';
import { benchSpeculation } from './speculation-bench.ts';
import { benchStreams } from './stream-bench.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    write: { type: 'boolean' },
    peers: { type: 'boolean' },
    rounds: { type: 'string', default: '3' },
    kills: { type: 'string', default: '100' },
    streams: { type: 'string', default: '10000' },
  },
});
const rounds = Number(values.rounds);
const startedAt = performance.now();
const progress = (text: string) =>
  process.stderr.write(`[${((performance.now() - startedAt) / 1000).toFixed(0)} s] ${text}\n`);

const parts: Readonly<Record<string, () => Promise<Section['result']>>> = {
  engine: async () => ({
    part: 'engine',
    ...(await benchEngine({ rounds, peers: values.peers === true, progress })),
  }),
  memory: async () => ({ part: 'memory', ...(await benchMemory(progress)) }),
  quality: async () => ({ part: 'quality', quality: await benchQuality(progress) }),
  speculation: async () => ({ part: 'speculation', speculation: await benchSpeculation(rounds, progress) }),
  serving: async () => ({ part: 'serving', ...(await benchServing(rounds, progress)) }),
  path: async () => ({ part: 'path', path: await benchPath(progress) }),
  cluster: async () => ({ part: 'cluster', rows: await benchCluster(rounds, progress) }),
  breakdown: async () => ({ part: 'breakdown', ...(await benchBreakdown(progress)) }),
  streams: async () => ({ part: 'streams', ...(await benchStreams(Number(values.streams), progress)) }),
  failover: async () => ({ part: 'failover', ...(await benchFailover(Number(values.kills), progress)) }),
};
const asked = positionals.length === 0 ? ['engine', 'path'] : positionals;
if (asked.some((part) => !(part in parts)) || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(
    `Usage: npm run bench [-- ${Object.keys(parts).join('|')} …] [--peers] [--json] [--write] [--rounds N]\n`,
  );
  process.exit(2);
}

const page = new URL('../../docs/benchmarks.md', import.meta.url);
const sections: Section[] = [];
for (const part of asked) {
  const section = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    result: await parts[part]!(),
  };
  sections.push(section);
  if (values.write) writeFileSync(page, mergeSections(readFileSync(page, 'utf8'), [section]));
}
if (values.json)
  process.stdout.write(`${JSON.stringify(Object.assign({}, ...sections.map(({ result }) => result)))}\n`);
else process.stdout.write(sections.map(renderSection).join('\n'));
