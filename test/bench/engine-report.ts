/** The Engine and Quality sections of the benchmark page. */
import type { EngineReport, EngineRow } from './engine-bench.ts';
import type { QualityRow } from './quality-bench.ts';
import { rounded } from './statistics.ts';
import { table } from './table.ts';

const batches = ['1', '4', '8', '16'];
const prompts = ['128', '512'];

function speedTable(rows: EngineRow[]): string {
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
    ...batches.map((batch) => withSpread(row.decode[batch], row.decodeSpread[batch])),
    ...prompts.map((length) => withSpread(row.prefill[length], row.prefillSpread[length])),
    `${row.ttftMs} ms`,
    `${row.rssMb} MB`,
    `${row.loadS} s`,
  ]);
  return `Tokens per second; decode at positions 128 and up. Medians of alternating rounds (least–greatest). inkwell-small is the bundled model, the others run a random-weight GPT-2 124M.\n\n${table(header, cells)}`;
}

function withSpread(value: number | undefined, spread: [number, number] | undefined): string {
  return value === undefined || spread === undefined ? '–' : `${value} (${spread[0]}–${spread[1]})`;
}

const ourQuantised = ['inkwell-wasm-int8', 'inkwell-native-int8', 'inkwell-native-w4a8'];

/** Ours by every other engine's, figure by figure. */
function ratioTable(rows: EngineRow[]): string {
  const ratio = (mine: number | undefined, theirs: number | undefined) =>
    mine === undefined || theirs === undefined ? '–' : (mine / theirs).toFixed(2);
  const tables = rows
    .filter((row) => ourQuantised.includes(row.engine))
    .map((mine) => {
      const cells = rows
        .filter((row) => row.isComparable && row !== mine)
        .map((row) => [
          row.engine,
          ...batches.map((batch) => ratio(mine.decode[batch], row.decode[batch])),
          ...prompts.map((length) => ratio(mine.prefill[length], row.prefill[length])),
        ]);
      return table([`${mine.engine} ÷`, 'batch 1', '4', '8', '16', 'prefill 128', '512'], cells);
    });
  return `### Ratios\n\n${tables.join('\n\n')}`;
}

function exactnessTable(rows: EngineRow[]): string {
  const cells = rows.flatMap((row) => (row.logitsError === null ? [] : [[row.engine, percent(row.logitsError)]]));
  return `### Exactness\n\nRoot-mean-square error of the logits against inkwell-wasm-f32's, relative to their size, on the random weights.\n\n${table(['engine', 'error'], cells)}`;
}

const percent = (share: number) => `${rounded(share * 100)} %`;

/** Weights of GPT-2 124M that a token reads: the embeddings, which are the output layer, and the layers. */
const embeddings124m = 50_257 * 768;
const layers124m = 12 * 12 * 768 * 768;

function roofline({ rows, bandwidth }: EngineReport): string {
  const bytesPerToken: Record<string, number> = {
    'inkwell-wasm-f32': 4 * (embeddings124m + layers124m),
    'inkwell-wasm-int8': embeddings124m + layers124m,
    'inkwell-wasm-int4': embeddings124m + layers124m * (18 / 32),
    'inkwell-native-int8': embeddings124m + layers124m,
    'inkwell-native-w4a8': embeddings124m + layers124m * (17 / 32),
  };
  const cells = rows.flatMap((row) => {
    const bytes = bytesPerToken[row.engine];
    const reached = row.decode['1'];
    if (bytes === undefined || reached === undefined) return [];
    const ceiling = bandwidth.all / bytes;
    return [[row.engine, `${rounded(bytes / 1e6)} MB`, rounded(ceiling), reached, percent(reached / ceiling)]];
  });
  const [one, all] = [bandwidth.one, bandwidth.all].map((value) => rounded(value / 1e9));
  return `### Roofline\n\nMemory is read at ${one} GB/s by one thread, ${all} GB/s by all. A token at batch 1 reads every weight once.\n\n${table(['engine', 'weights', 'ceiling, tokens/s', 'reached', 'share'], cells)}`;
}

export function engineText(report: EngineReport): string {
  const parts = [speedTable(report.rows), ratioTable(report.rows), exactnessTable(report.rows), roofline(report)];
  return parts.join('\n\n');
}

export function qualityText(rows: QualityRow[]): string {
  const cells = rows.map((row) => [row.quantization, row.kvCache, row.perplexity.toFixed(3), percent(row.cost)]);
  return `Perplexity of the bundled model on ${rows[0]?.tokens} tokens it never saw, by kind of weights and of KV cache.\n\n${table(['weights', 'KV cache', 'perplexity', 'more than f32'], cells)}`;
}
