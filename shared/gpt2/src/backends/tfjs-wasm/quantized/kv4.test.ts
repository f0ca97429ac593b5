/**
 * The 4-bit KV cache against its definition: what the kernels stored is read back here by the layout's description, in plain TypeScript, and compared with
 * what the 8-bit cache holds of the same tokens.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../config.ts';
import { philox4x32 } from '../../../sampling/philox.ts';
import { instantiateKernels } from '../kernels.ts';
import { imageLayout } from './image.ts';
import { headStride, planWords, writePlan } from './plan.ts';
import { type KvBits, kvBytes, quantizedBlockBytes } from './sizes.ts';
import { placeStep } from './step-record.ts';

const SEED = 20261125;
const BLOCK = 16;
const BLOCKS = 4;
const IMAGE = 4096;
const CONTROL = 1024;
const POSITIONS = 43;
const config = parseConfig({ n_layer: 1, n_head: 3, n_embd: 144, n_inner: 64, n_positions: 64, vocab_size: 64 });
const headWidth = 48;
const stride = headStride(config);
const layout = imageLayout(config, 'int8');

/** How close the keys of neighbours are: made by how much of an embedding is the token's own. */
type Kind = 'alike' | 'unlike';

function fillImage(memory: WebAssembly.Memory, kind: Kind): void {
  const bytes = new Int8Array(memory.buffer, IMAGE, layout.bytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (philox4x32([i, 0, 0, 0], [SEED, 0])[0] >>> 25) - 64;
  const floats = ({ offset, bytes: size }: { offset: number; bytes: number }) =>
    new Float32Array(memory.buffer, IMAGE + offset, size / 4);
  const { c_attn, ln_1 } = layout.h[0]!;
  floats(layout.wte.scales).fill(kind === 'alike' ? 0.0005 : 0.05);
  floats(layout.wpe).forEach((_, i, wpe) => {
    const [position, channel] = [Math.floor(i / config.n_embd), i % config.n_embd];
    wpe[i] = Math.sin(0.02 * position * (channel % 5) + channel ** 2) * 0.5;
  });
  floats(c_attn.scales).fill(0.002);
  floats(c_attn.bias).fill(0.1);
  floats(ln_1.weight).fill(1);
  floats(ln_1.bias).fill(0);
}

interface Cache {
  memory: WebAssembly.Memory;
  keys: number;
  values: number;
  keyScales: number;
  valueScales: number;
}

/** Feeds one sequence in blocks 2, 0, 3 and so many rows at a time. */
function run(bits: KvBits, kind: Kind, rowsPerStep: number): Cache {
  const memory = new WebAssembly.Memory({ initial: 32, maximum: 65536, shared: true });
  const module = new WebAssembly.Module(new Uint8Array(readFileSync(new URL('../kernels.wasm', import.meta.url))));
  const kernels = instantiateKernels(module, memory);
  fillImage(memory, kind);
  const places = config.n_head * BLOCK * BLOCKS;
  const { integers, scale } = kvBytes(config, bits);
  const keys = IMAGE + layout.bytes;
  const keyScales = keys + 2 * places * integers;
  const cache = { keys, values: keys + places * integers, keyScales, valueScales: keyScales + places * scale };
  const end = keys + BLOCKS * quantizedBlockBytes(config, BLOCK, bits);
  expect(cache.valueScales + places * scale).toBe(end);
  const planAt = Math.ceil(end / 64) * 64;
  const words = planWords(config);
  const input = { config, layout, image: IMAGE, caches: [cache], blockSize: BLOCK, threads: 1, kvBits: bits };
  writePlan(new DataView(memory.buffer, planAt, words * 4), planAt, input);
  const stepAt = Math.ceil((planAt + words * 4) / 64) * 64;
  const scratchBytes = (width: number) => kernels.quantizedScratchBytes(config.n_embd, stride, width, BLOCK, 0);
  for (let from = 0; from < POSITIONS; from += rowsPerStep) {
    const rows = Math.min(rowsPerStep, POSITIONS - from);
    const batch = {
      tokens: Int32Array.from({ length: rows }, (_, i) => ((from + i) * 31) % config.vocab_size),
      positions: Int32Array.from({ length: rows }, (_, i) => from + i),
      sequences: new Int32Array(rows),
      blockTables: [Int32Array.of(2, 0, 3)],
      logitsRows: new Int32Array(0),
    };
    placeStep(batch, { config, threads: 1, blockSize: BLOCK, scratchBytes }).write(memory.buffer, stepAt);
    kernels.quantizedStep(CONTROL, planAt, stepAt);
  }
  return { memory, ...cache };
}

/** Index of a position in [block][head][offset]. */
const placeOf = (head: number, position: number) =>
  ([2, 0, 3][Math.floor(position / BLOCK)]! * config.n_head + head) * BLOCK + (position % BLOCK);

function rotated(x: readonly number[]): number[] {
  const padded = Array.from({ length: stride }, (_, i) => x[i] ?? 0);
  // The largest power of two in 48 is 16; signs are the parity of the bits that two indices share.
  const sign = (i: number, k: number) => ([...(i & k).toString(2)].filter((bit) => bit === '1').length % 2 ? -1 : 1);
  return padded.map((_, i) =>
    padded.slice(i - (i % 16), i - (i % 16) + 16).reduce((sum, value, k) => sum + sign(i % 16, k) * value, 0),
  );
}

/** What the 8-bit cache holds. */
function read8(cache: Cache, part: 'keys' | 'values', head: number, position: number): { x: number[]; step: number } {
  const bytes = new Int8Array(cache.memory.buffer);
  const place = placeOf(head, position);
  const lane = place % 8;
  const step = new DataView(cache.memory.buffer).getFloat32(
    (part === 'keys' ? cache.keyScales : cache.valueScales) + 4 * place,
    true,
  );
  const at = (i: number) =>
    part === 'keys'
      ? cache.keys + (place - lane) * stride + Math.floor(i / 4) * 32 + lane * 4 + (i % 4)
      : cache.values + (place - (place % 2)) * stride + 2 * i + (place % 2);
  return { x: Array.from({ length: headWidth }, (_, i) => bytes[at(i)]! * step), step };
}

interface Stored4 {
  x: number[];
  scale: number;
  isRelative: boolean;
}

/** What the 4-bit cache holds, rotated, before a relative key is added to the first of its panel. */
function read4(cache: Cache, part: 'keys' | 'values', head: number, position: number): Stored4 {
  const view = new DataView(cache.memory.buffer);
  const place = placeOf(head, position);
  const lane = place % 8;
  const stored = view.getUint16((part === 'keys' ? cache.keyScales : cache.valueScales) + 2 * place, true);
  const scale = new Float32Array(Uint32Array.of((stored & 0x7fff) << 16).buffer)[0]!;
  const wordAt = (group: number, k: number) =>
    part === 'keys'
      ? cache.keys + ((place - lane) * stride) / 2 + group * 64 + lane * 8 + k * 2
      : cache.values + ((place - (place % 2)) * stride) / 2 + group * 16 + k * 4 + (place % 2) * 2;
  const x = Array.from({ length: stride }, (_, i) => {
    const word = view.getUint16(wordAt(Math.floor(i / 16), i % 4), true);
    return (2 * ((word >> (4 * Math.floor((i % 16) / 4))) & 15) - 15) * scale;
  });
  return { x, scale, isRelative: stored >= 0x8000 };
}

describe.each(['alike', 'unlike'] as const)(`a 4-bit cache of keys that are %s (seed ${SEED})`, (kind) => {
  const eight = run(8, kind, 7);
  const four = run(4, kind, 7);

  it.each(['keys', 'values'] as const)('%s are the rotated ones, to half a step in every channel', (part) => {
    let relatives = 0;
    for (let head = 0; head < config.n_head; head++) {
      for (let position = 0; position < POSITIONS; position++) {
        const exact = read8(eight, part, head, position);
        const { x, scale, isRelative } = read4(four, part, head, position);
        const first = read4(four, part, head, position - (position % 8));
        const actual = isRelative ? x.map((value, i) => value + first.x[i]!) : x;
        // The 8-bit cache is off by half a step in each of the 16 channels that are mixed.
        const bound = scale * 1.001 + 16 * 0.5 * exact.step;
        const expected = rotated(exact.x);
        actual.forEach((value, i) => {
          expect(Math.abs(value - expected[i]!), `${part} ${head} ${position} ${i}`).toBeLessThanOrEqual(bound);
        });
        if (isRelative) {
          relatives++;
          expect(part).toBe('keys');
          expect(position % 8).toBeGreaterThan(0);
        }
        // A step is no coarser than what is stored needs: the largest channel is at the end of the range, but for the scale's eight bits.
        expect(Math.max(...x.map(Math.abs))).toBeGreaterThanOrEqual(scale * 13);
      }
    }
    if (part === 'keys' && kind === 'alike') expect(relatives).toBeGreaterThan((POSITIONS * config.n_head) / 2);
    if (part === 'keys' && kind === 'unlike') expect(relatives).toBeLessThan(POSITIONS * config.n_head * 0.875);
  });

  it.each([1, 5, 8, POSITIONS])('is the same, byte for byte, fed %i at a time', (rowsPerStep) => {
    const other = run(4, kind, rowsPerStep);
    const bytesOf = ({ memory, keys }: Cache) =>
      Buffer.from(memory.buffer, keys, BLOCKS * quantizedBlockBytes(config, BLOCK, 4));
    expect(bytesOf(other).equals(bytesOf(four))).toBe(true);
    expect(bytesOf(other).some((byte) => byte !== 0)).toBe(true);
  });
});

it('a 4-bit cache takes 34 bytes for 64 channels, an 8-bit one 68', () => {
  const shape = { n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024, vocab_size: 50_257 };
  const gpt2 = parseConfig(shape);
  expect(quantizedBlockBytes(gpt2, 16, 4)).toBe(16 * 12 * 12 * 2 * 34);
  expect(quantizedBlockBytes(gpt2, 16, 8)).toBe(16 * 12 * 12 * 2 * 68);
});
