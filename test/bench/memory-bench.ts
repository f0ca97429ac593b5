/**
 * Memory of the engines with quantised weights on GPT-2 124M, beside what arithmetic says they must hold: the weights, the KV cache once all of it was
 * written, and a Node that does nothing.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { modelProcessEnvironment, modelProcessFlags } from '@inkwell/gpt2';
import { nativeAddonPath } from '@inkwell/gpt2/native-addon';
import { ensureRandomModel, random124m, scratch } from './engine-bench.ts';
import type { MemoryFigures } from './memory-child.ts';
import { table } from './table.ts';

const child = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const cacheDirectory = join(scratch, 'quantised');
const timeoutMs = 600_000;

export interface MemoryRow extends MemoryFigures {
  engine: string;
}

export interface MemoryReport {
  /** Bytes of a Node process that does nothing. */
  emptyNode: number;
  memory: MemoryRow[];
}

async function outputOf(args: readonly string[]): Promise<string> {
  const env = modelProcessEnvironment(cacheDirectory);
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: timeoutMs, env });
  return stdout;
}

export async function benchMemory(progress: (text: string) => void): Promise<MemoryReport> {
  await ensureRandomModel(progress);
  const addon = await nativeAddonPath();
  const memory: MemoryRow[] = [];
  for (const [backend, quantization, kvCache] of [
    ['wasm', 'int8', 'int8'],
    ['wasm', 'int8', 'int4'],
    ['wasm', 'int4', 'int8'],
    ['native', 'int8', 'int8'],
    ['native', 'int8', 'int4'],
    ['native', 'w4a8', 'int8'],
    ['native', 'w4a8', 'int4'],
  ] as const) {
    const engine = `inkwell-${backend}-${quantization}${kvCache === 'int8' ? '' : `, KV ${kvCache}`}`;
    const what = [random124m, backend, quantization, kvCache, cacheDirectory, addon];
    progress(`memory: ${engine}`);
    // The first load quantises, and compiles modules; what is measured is the load that users see ever after.
    await outputOf([...modelProcessFlags, child, '--load-only', ...what]);
    const figures = JSON.parse(await outputOf([...modelProcessFlags, child, ...what])) as MemoryFigures;
    memory.push({ engine, ...figures });
  }
  const emptyNode = Number(await outputOf(['-e', 'process.stdout.write(String(process.memoryUsage.rss()))']));
  return { emptyNode, memory };
}

export function memoryText({ emptyNode, memory }: MemoryReport): string {
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const rows = memory.map(({ engine, loaded, full, weights, cache }) => {
    const [least, leastFull] = [emptyNode + weights, emptyNode + weights + cache];
    return [engine, mb(weights), mb(cache), mb(loaded), mb(least), mb(full), mb(leastFull)];
  });
  const header = [
    'engine',
    'weights',
    'KV cache',
    'resident, loaded',
    'of these needed',
    'all positions written',
    'of these needed',
  ];
  return `Resident memory of the engine's process, GPT-2 124M with random weights and room for ${memory[0]?.positions} positions. Needed are the weights, the KV cache once it was written, and ${mb(emptyNode)} of a Node that does nothing, most of it pages of its program, which all Nodes of the machine share.\n\n${table(header, rows)}`;
}
