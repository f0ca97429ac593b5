/**
 * What drafts of looked-up tokens bring: the engine's decoding speed with them and without, on text that repeats itself and on text that does not. Rounds
 * alternate; both ways must draw the same tokens, or the bench fails.
 */
import { isDeepStrictEqual } from 'node:util';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { defaultSchedulerLimits, Engine, type SpeculationMode } from '@inkwell/engine';
import { heldOutDocuments } from '@inkwell/gpt2/quality';
import { loadModel } from '@inkwell/gpt2/tfjs';
import { bundled, ensureRandomModel, random124m, scratch } from './engine-bench.ts';
import { median, rounded } from './statistics.ts';
import { table } from './table.ts';

const newTokens = 128;
const batches = [1, 4] as const;
const modes = ['off', 'auto'] as const;

/** A passage three times over and greedy, or passages each once, sampled. */
type Kind = 'repeating' | 'other';

export interface SpeculationRow {
  model: string;
  text: Kind;
  batch: number;
  /** Tokens per second, median of the rounds. */
  off: number;
  auto: number;
  /** Median of the rounds' ratios, and the least and greatest. */
  gain: number;
  gainSpread: [number, number];
  /** Drafted tokens per drawn one. */
  drafted: number;
  /** Share of the drafted tokens that were drawn; null where none was drafted. */
  acceptance: number | null;
}

interface Run {
  tokensPerSecond: number;
  drafted: number;
  accepted: number;
  tokens: number[][];
}

function specOf(kind: Kind, passage: readonly number[], seed: number): GenerationSpec {
  const prompt = kind === 'repeating' ? [1, 2, 3].flatMap(() => passage.slice(0, 24)) : passage.slice(0, 72);
  const shared = { model: 'bench', n: 1, bestOf: 1, stop: [], logprobs: null, echo: false, ignoreEos: true };
  const sampling = { ...neutralSampling, temperature: kind === 'repeating' ? 0 : 1, seed };
  return { ...shared, prompts: [prompt], maxTokens: newTokens, sampling };
}

async function run(engine: Engine, specs: readonly GenerationSpec[]): Promise<Run> {
  const before = { ...engine.speculation };
  for (const [i, spec] of specs.entries()) engine.add(`${i}`, spec);
  const tokens = specs.map((): number[] => []);
  let first = 0;
  let seconds = 0;
  while (!engine.idle) {
    const startedAt = performance.now();
    const report = await engine.step();
    for (const job of report.jobs) for (const delta of job.deltas) tokens[Number(job.id)]?.push(...delta.tokens);
    if (report.promptTokens > 0) first += report.drawnTokens;
    else seconds += (performance.now() - startedAt) / 1000;
  }
  const drawn = tokens.flat().length - first;
  const { drafted, accepted } = engine.speculation;
  return {
    tokensPerSecond: drawn / seconds,
    drafted: drafted - before.drafted,
    accepted: accepted - before.accepted,
    tokens,
  };
}

/** One engine for each mode: what one has learned of its model's speed holds for all that follows. */
type Engines = Readonly<Record<(typeof modes)[number], Engine>>;

interface Case {
  readonly model: string;
  readonly documents: readonly number[][];
  readonly text: Kind;
  readonly batch: number;
}

async function measure(
  engines: Engines,
  { model, documents, text, batch }: Case,
  rounds: number,
): Promise<SpeculationRow> {
  const runs: Record<(typeof modes)[number], Run[]> = { off: [], auto: [] };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const specs = Array.from({ length: batch }, (_, i) => {
      const document = documents[(round * batch + i) % documents.length]!;
      return specOf(text, document.slice(8), round + i);
    });
    const both = { off: await run(engines.off, specs), auto: await run(engines.auto, specs) };
    if (!isDeepStrictEqual(both.off.tokens, both.auto.tokens)) throw new Error(`${model}: drafts changed a text`);
    if (round > 0) for (const mode of modes) runs[mode].push(both[mode]);
  }
  const rate = (mode: (typeof modes)[number]) => rounded(median(runs[mode].map((one) => one.tokensPerSecond)));
  const gains = runs.auto.map((one, i) => one.tokensPerSecond / runs.off[i]!.tokensPerSecond);
  const sum = (read: (one: Run) => number) => runs.auto.reduce((total, one) => total + read(one), 0);
  const drafted = sum((one) => one.drafted);
  return {
    model,
    text,
    batch,
    off: rate('off'),
    auto: rate('auto'),
    gain: rounded(median(gains)),
    gainSpread: [rounded(Math.min(...gains)), rounded(Math.max(...gains))],
    drafted: rounded(drafted / sum((one) => one.tokens.flat().length)),
    acceptance: drafted === 0 ? null : rounded(sum((one) => one.accepted) / drafted),
  };
}

export async function benchSpeculation(rounds: number, progress: (text: string) => void): Promise<SpeculationRow[]> {
  await ensureRandomModel(progress);
  const rows: SpeculationRow[] = [];
  for (const [name, directory] of [
    ['inkwell-small', bundled],
    ['gpt2-124m-random', random124m],
  ] as const) {
    const { backend, tokenizer } = await loadModel(directory, { cacheDirectory: `${scratch}/quantised` });
    const documents = (await heldOutDocuments(tokenizer)).filter((ids) => ids.length > 100);
    const engineOf = (mode: SpeculationMode) => new Engine(backend, tokenizer, defaultSchedulerLimits, mode);
    const engines = { off: engineOf('off'), auto: engineOf('auto') };
    for (const text of ['repeating', 'other'] as const)
      for (const batch of batches) {
        progress(`speculation: ${name}, ${text} text, batch ${batch}`);
        rows.push(await measure(engines, { model: name, documents, text, batch }, rounds));
      }
    await backend.dispose();
  }
  return rows;
}

const percent = (share: number | null) => (share === null ? null : `${rounded(share * 100)} %`);

export function speculationText(rows: readonly SpeculationRow[]): string {
  const header = ['model', 'text', 'batch', 'off, tokens/s', 'auto', 'gain', 'drafted per token', 'accepted'];
  const cells = rows.map((row) => [
    ...[row.model, row.text, row.batch, row.off, row.auto],
    ...[`${row.gain} (${row.gainSpread.join('–')})`, row.drafted, percent(row.acceptance)],
  ]);
  return `Decoding ${newTokens} tokens with drafts by prompt lookup and without, default weights; medians of alternating rounds (least–greatest). Repeating text is a passage three times over, continued greedily; other text is sampled at temperature 1 behind passages from books. Both ways draw the same tokens.\n\n${table(header, cells)}`;
}
