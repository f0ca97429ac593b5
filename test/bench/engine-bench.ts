/** The engine's own speed on the bundled model and on a random-weight GPT-2 124M: alternating rounds, medians of the rounds. */
import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeRandomModel } from '@inkwell/gpt2';
import type { EngineFigures } from './engine-child.ts';
import { median, rounded } from './statistics.ts';

const child = fileURLToPath(new URL('./engine-child.ts', import.meta.url));
const bundled = fileURLToPath(new URL('../../shared/gpt2/bundled/inkwell-small', import.meta.url));
const random124m = fileURLToPath(new URL('../../.inkwell-bench/gpt2-124m', import.meta.url));

export interface EngineRow extends EngineFigures {
  engine: string;
}

/** GPT-2 124M's shape with random weights; kept between runs, complete or not there at all. */
async function ensureRandomModel(progress: (text: string) => void): Promise<void> {
  if (existsSync(random124m)) return;
  progress('writing a random-weight GPT-2 124M (500 MB, once)');
  const unfinished = `${random124m}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const shape = {
    n_layer: 12,
    n_head: 12,
    n_embd: 768,
    n_positions: 1024,
    vocab_size: 50_257,
    layer_norm_epsilon: 1e-5,
  };
  await writeRandomModel(unfinished, shape, { seed: 1 });
  renameSync(unfinished, random124m);
}

async function measure(directory: string): Promise<EngineFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [child, directory], { timeout: 600_000 });
  return JSON.parse(stdout);
}

const medianOf = (rounds: EngineFigures[], read: (round: EngineFigures) => number) => rounded(median(rounds.map(read)));

function combine(engine: string, rounds: EngineFigures[]): EngineRow {
  const [first] = rounds;
  if (!first) throw new Error('no rounds were measured');
  const each = (part: 'decode' | 'prefill') =>
    Object.fromEntries(
      Object.keys(first[part]).map((key) => [key, medianOf(rounds, (round) => round[part][key] ?? Number.NaN)]),
    );
  return {
    engine,
    backend: first.backend,
    decode: each('decode'),
    prefill: each('prefill'),
    ttftMs: medianOf(rounds, (round) => round.ttftMs),
    rssMb: medianOf(rounds, (round) => round.rssMb),
    loadS: medianOf(rounds, (round) => round.loadS),
  };
}

export async function benchEngine(rounds: number, progress: (text: string) => void): Promise<EngineRow[]> {
  await ensureRandomModel(progress);
  const models = { 'inkwell-small': bundled, 'gpt2-124m-random': random124m };
  const measured = new Map<string, EngineFigures[]>(Object.keys(models).map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++)
    for (const [name, directory] of Object.entries(models)) {
      progress(`engine: ${name}, round ${round} of ${rounds}`);
      measured.get(name)?.push(await measure(directory));
    }
  return [...measured].map(([name, figures]) => combine(name, figures));
}
