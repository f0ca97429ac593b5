/**
 * The engine's speed, memory and exactness on the bundled model and on a random-weight GPT-2 124M, with peers on the same weights if asked for.
 * Rounds alternate between all engines, so that a machine that changes its mind changes it for everyone; figures are medians of the rounds.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { modelProcessEnvironment, modelProcessFlags, writeRandomModel } from '@inkwell/gpt2';
import { nativeAddonPath } from '@inkwell/gpt2/native-addon';
import type { EngineFigures } from './engine-child.ts';
import { measureReadBandwidth } from './memory-bandwidth.ts';
import { installPeers } from './peers/install.ts';
import { median, rounded } from './statistics.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
export const bundled = fileURLToPath(new URL('../../shared/gpt2/bundled/inkwell-small', import.meta.url));
export const scratch = fileURLToPath(new URL('../../.inkwell-bench', import.meta.url));
export const random124m = join(scratch, 'gpt2-124m');
/** One engine, once: load and all measurements. */
const engineTimeoutMs = 600_000;
/** What our backend takes by default; peers get as many. */
const threads = Math.min(availableParallelism(), 4);

interface Contender {
  readonly engine: string;
  /** The program and its arguments; the file for logits comes last. */
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
  /** Runs the random 124M weights, so it can be compared with others that do. */
  readonly isComparable: boolean;
}

/** [least, greatest] of the rounds' figures. */
type Spread = Record<string, [number, number]>;

export interface EngineRow extends EngineFigures {
  engine: string;
  isComparable: boolean;
  decodeSpread: Spread;
  prefillSpread: Spread;
  /** Relative root-mean-square error of logits against our f32's; null where not comparable. */
  logitsError: number | null;
}

export interface EngineReport {
  rows: EngineRow[];
  /** Bytes per second that one thread, and all, read from memory. */
  bandwidth: { one: number; all: number };
}

export interface EngineBenchOptions {
  readonly rounds: number;
  readonly peers: boolean;
  readonly progress: (text: string) => void;
}

/** GPT-2 124M's shape with random weights; kept between runs, complete or not there at all. */
export async function ensureRandomModel(progress: (text: string) => void): Promise<void> {
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

interface Ours {
  readonly directory?: string;
  readonly backend: 'wasm' | 'native' | 'webgpu';
  readonly quantization: string;
  readonly kvCache?: 'auto' | 'int4';
  readonly addonPath?: string;
}

function ours(
  engine: string,
  { directory = random124m, backend, quantization, kvCache = 'auto', addonPath = '' }: Ours,
): Contender {
  const child = [
    join(here, 'engine-child.ts'),
    directory,
    backend,
    quantization,
    kvCache,
    join(scratch, 'quantised'),
    addonPath,
  ];
  return {
    engine,
    command: [process.execPath, ...modelProcessFlags, ...child],
    env: modelProcessEnvironment(join(scratch, 'quantised')),
    isComparable: directory === random124m,
  };
}

/** The native accelerator, where a compiler is. */
async function natives(progress: (text: string) => void): Promise<Contender[]> {
  try {
    progress('native: compiling unless done');
    const addonPath = await nativeAddonPath();
    const native = { backend: 'native', addonPath } as const;
    return [
      ours('inkwell-native-int8', { ...native, quantization: 'int8' }),
      ours('inkwell-native-int8, KV int4', { ...native, quantization: 'int8', kvCache: 'int4' }),
      ours('inkwell-native-w4a8', { ...native, quantization: 'w4a8' }),
    ];
  } catch (error) {
    progress(`no native rows: ${(error as Error).message}`);
    return [];
  }
}

/** A graphics card's, where `npm run install:webgpu` was run and there is one; a processor that plays one would take hours. */
async function graphics(progress: (text: string) => void): Promise<Contender[]> {
  const kinds = { f32: 'none', int8: 'int8' } as const;
  try {
    const trial = ours('webgpu', { directory: bundled, backend: 'webgpu', quantization: 'none' });
    const { backend } = await measure({ ...trial, env: { BENCH_LOAD_ONLY: '1' } });
    if (/swiftshader|llvmpipe|basic render/i.test(backend)) throw new Error(`${backend} is no graphics card`);
    return Object.entries(kinds).map(([kind, quantization]) =>
      ours(`inkwell-webgpu-${kind}`, { backend: 'webgpu', quantization }),
    );
  } catch (error) {
    const { message } = error as Error;
    progress(`no webgpu rows: ${/^ModelError: (.*)$/m.exec(message)?.[1] ?? message}`);
    return [];
  }
}

async function peers(progress: (text: string) => void): Promise<Contender[]> {
  const { python, nodeModules, models } = await installPeers(random124m, progress);
  const llama = (kind: string): Contender => ({
    engine: `llama.cpp-${kind}`,
    command: [python, join(here, 'peers/llama.py'), join(models, `${kind}.gguf`), String(threads)],
    isComparable: true,
  });
  const onnx: Contender = {
    engine: 'onnxruntime-int8',
    command: [process.execPath, join(here, 'peers/onnxruntime.ts'), join(models, 'int8.onnx'), String(threads)],
    env: { PEER_MODULES: nodeModules },
    isComparable: true,
  };
  return [llama('q8_0'), llama('q4_0'), onnx];
}

const logitsFile = ({ engine }: Contender) => join(scratch, `${engine}.logits`);

async function measure(contender: Contender): Promise<EngineFigures> {
  const [file, ...args] = contender.command;
  const env = { ...process.env, ...contender.env };
  const given = [...args, contender.isComparable ? logitsFile(contender) : ''];
  const { stdout } = await promisify(execFile)(file, given, { timeout: engineTimeoutMs, env, maxBuffer: 2 ** 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as EngineFigures;
}

function readLogits(contender: Contender): Float32Array {
  const bytes = readFileSync(logitsFile(contender));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** √(Σ(a - b)² / Σb²) */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} logits instead of ${expected.length}`);
  let difference = 0;
  let size = 0;
  for (const [i, value] of expected.entries()) {
    difference += (actual[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}

function combine(contender: Contender, rounds: readonly EngineFigures[]): EngineRow {
  const [first] = rounds;
  if (!first) throw new Error('no rounds were measured');
  const medianOf = (read: (round: EngineFigures) => number) => rounded(median(rounds.map(read)));
  const keysOf = (part: 'decode' | 'prefill') => Object.keys(first[part]);
  const valuesOf = (part: 'decode' | 'prefill', key: string) => rounds.map((round) => round[part][key] ?? Number.NaN);
  const each = (part: 'decode' | 'prefill') =>
    Object.fromEntries(keysOf(part).map((key) => [key, rounded(median(valuesOf(part, key)))]));
  const spread = (part: 'decode' | 'prefill'): Spread =>
    Object.fromEntries(
      keysOf(part).map((key) => {
        const values = valuesOf(part, key);
        return [key, [rounded(Math.min(...values)), rounded(Math.max(...values))]];
      }),
    );
  return {
    engine: contender.engine,
    backend: first.backend,
    isComparable: contender.isComparable,
    decode: each('decode'),
    decodeSpread: spread('decode'),
    prefill: each('prefill'),
    prefillSpread: spread('prefill'),
    ttftMs: medianOf((round) => round.ttftMs),
    rssMb: medianOf((round) => round.rssMb),
    loadS: medianOf((round) => round.loadS),
    logitsError: null,
  };
}

export async function benchEngine({ rounds, peers: withPeers, progress }: EngineBenchOptions): Promise<EngineReport> {
  mkdirSync(scratch, { recursive: true });
  await ensureRandomModel(progress);
  const reference = ours('inkwell-wasm-f32', { backend: 'wasm', quantization: 'none' });
  const quantised = [
    ours('inkwell-wasm-int8', { backend: 'wasm', quantization: 'int8' }),
    ours('inkwell-wasm-int8, KV int4', { backend: 'wasm', quantization: 'int8', kvCache: 'int4' }),
    ours('inkwell-wasm-int4', { backend: 'wasm', quantization: 'int4' }),
    ...(await natives(progress)),
  ];
  const contenders = [
    ours('inkwell-small', { directory: bundled, backend: 'wasm', quantization: 'auto' }),
    reference,
    ...quantised,
    ...(await graphics(progress)),
    ...(withPeers ? await peers(progress) : []),
  ];
  const bandwidth = await measureReadBandwidth(threads);
  const measured = new Map<Contender, EngineFigures[]>(contenders.map((contender) => [contender, []]));
  // The first load quantises; what is measured is the load that users see ever after.
  progress('engine: quantising');
  for (const contender of quantised) await measure({ ...contender, env: { BENCH_LOAD_ONLY: '1' } });
  for (let round = 1; round <= rounds; round++)
    for (const [contender, figures] of measured) {
      progress(`engine: ${contender.engine}, round ${round} of ${rounds}`);
      figures.push(await measure(contender));
    }
  const expected = readLogits(reference);
  const rows = [...measured].map(([contender, figures]) => {
    const row = combine(contender, figures);
    return contender.isComparable ? { ...row, logitsError: relativeError(readLogits(contender), expected) } : row;
  });
  return { rows, bandwidth };
}
