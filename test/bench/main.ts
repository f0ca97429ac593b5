/**
 * `npm run bench [-- engine|path] [--json] [--write] [--rounds N]`: measures the engine and the queue path on this machine. Progress goes to
 * stderr; `--write` puts the result into docs/benchmarks.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchEngine } from './engine-bench.ts';
import { benchPath } from './path-bench.ts';
import { type BenchReport, describeMachine, renderReport } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, write: { type: 'boolean' }, rounds: { type: 'string', default: '3' } },
});
const [part = 'all'] = positionals;
const rounds = Number(values.rounds);
if (!['all', 'engine', 'path'].includes(part) || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('Usage: npm run bench [-- engine|path] [--json] [--write] [--rounds N]\n');
  process.exit(2);
}

const startedAt = performance.now();
const progress = (text: string) =>
  process.stderr.write(`[${((performance.now() - startedAt) / 1000).toFixed(0)} s] ${text}\n`);
const report: BenchReport = {
  date: new Date().toISOString().slice(0, 10),
  machine: describeMachine(),
  rows: part === 'path' ? [] : await benchEngine(rounds, progress),
  path: part === 'engine' ? null : await benchPath(progress),
};
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : renderReport(report));
if (values.write) writeFileSync(new URL('../../docs/benchmarks.md', import.meta.url), renderReport(report));
