/**
 * Compares two compilations of the kernels byte by byte: a quantised step and the f32 kernels on a small made-up model, each
 * in a memory of its own, with keys and values of either bits. Every inner loop runs, with full tiles and with rests.
 */
import type { StepBatch } from '@inkwell/ports';
import { type Gpt2Config, parseConfig } from '../../config.ts';
import { instantiateKernels, type Kernels } from './kernels.ts';
import { groupedDepth, type ImageLayout, imageLayout, type QuantizedKind } from './quantized/image.ts';
import { headStride, planWords, writePlan } from './quantized/plan.ts';
import type { KvBits } from './quantized/sizes.ts';
import { placeStep } from './quantized/step-record.ts';

const PAGE_BYTES = 65536;
const BLOCK_SIZE = 16;
const POSITIONS = 24;
const CONTROL = 1024;
const START = 4096;

/** As floats: any sign, 2^-2 to 2, any mantissa. As bytes: any weights. */
function fill(memory: WebAssembly.Memory): void {
  const words = new Uint32Array(memory.buffer);
  let state = 0x2545f491;
  for (let i = START / 4; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = (state & 0x81ffffff) | 0x3e800000;
  }
}

/** Makes the scales of the weights so small that hidden values lie where activations bend. */
function shrinkScales(memory: WebAssembly.Memory, layout: ImageLayout): void {
  const { c_attn, c_proj, c_fc, mlp_c_proj } = layout.h[0]!;
  for (const { scales } of [layout.wte, c_attn, c_proj, c_fc, mlp_c_proj]) {
    const values = new Float32Array(memory.buffer, START + scales.offset, scales.bytes / 4);
    values.set(values.map((value) => value / 64));
  }
}

/** Two sequences: one decodes a token, the other is fed a prompt; then every row's logits. */
function batchOf(rows: number): StepBatch {
  return {
    tokens: Int32Array.from({ length: rows }, (_, i) => (i * 31) % 300),
    positions: Int32Array.from({ length: rows }, (_, i) => (i === 0 ? 0 : i - 1)),
    sequences: Int32Array.from({ length: rows }, (_, i) => Math.min(i, 1)),
    blockTables: [Int32Array.of(3, 0), Int32Array.of(1, 2)],
    logitsRows: Int32Array.from({ length: rows }, (_, i) => i),
  };
}

function quantizedLogits(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  config: Gpt2Config,
  kind: QuantizedKind,
  kvBits: KvBits,
): Uint8Array[] {
  const layout = imageLayout(config, kind);
  shrinkScales(memory, layout);
  const cacheAt = START + layout.bytes;
  const places = config.n_head * BLOCK_SIZE * 4;
  const stride = headStride(config);
  const cache = { keys: cacheAt, values: cacheAt + places * stride, keyScales: 0, valueScales: 0 };
  cache.keyScales = cacheAt + 2 * places * stride;
  cache.valueScales = cache.keyScales + places * 4;
  const planAt = cache.valueScales + places * 4;
  const words = planWords(config);
  const input = { config, layout, image: START, caches: [cache], blockSize: BLOCK_SIZE, threads: 1, kvBits };
  writePlan(new DataView(memory.buffer, planAt, words * 4), planAt, input);
  const stepAt = Math.ceil((planAt + words * 4) / 64) * 64;
  const deepest = groupedDepth(layout);
  const scratchBytes = (width: number) =>
    kernels.quantizedScratchBytes(config.n_embd, stride, width, BLOCK_SIZE, deepest);
  return [1, 2, 3, POSITIONS].map((rows) => {
    const batch = batchOf(rows);
    const { logits, write } = placeStep(batch, { config, threads: 1, blockSize: BLOCK_SIZE, scratchBytes });
    write(memory.buffer, stepAt);
    kernels.quantizedStep(CONTROL, planAt, stepAt);
    return new Uint8Array(memory.buffer, stepAt + logits, rows * config.vocab_size * 4).slice();
  });
}

/** [7, 96] through layer norm, a linear layer of 3 · 96 columns and attention over its result. */
function floatResults(kernels: Kernels, memory: WebAssembly.Memory): Uint8Array[] {
  const [rows, width, heads, headWidth] = [7, 96, 2, 48];
  const at = (slot: number) => START + slot * 2 * PAGE_BYTES;
  const [x, weight, bias, normal] = [at(1), at(2), at(3), at(4)];
  const [qkv, scratch, keys, values, out] = [at(5), at(6), at(7), at(8), at(9)];
  const [slots, tables, sequences, positions] = [at(10), at(10) + 256, at(10) + 512, at(10) + 768];
  const ints = (address: number, of: (row: number) => number) =>
    new Int32Array(memory.buffer, address, rows).set(Array.from({ length: rows }, (_, row) => of(row)));
  ints(slots, (row) => row);
  ints(tables, () => 0);
  ints(sequences, () => 0);
  ints(positions, (row) => row);
  kernels.layerNorm(CONTROL, x, 0, bias, bias, normal, 1e-5, rows, width, rows);
  kernels.linear(CONTROL, normal, weight, bias, 0, qkv, scratch, rows, width, 3 * width, 1, 1000);
  kernels.storeKv(CONTROL, qkv, slots, keys, values, rows, heads, headWidth, BLOCK_SIZE, rows);
  const cache = [keys, values, tables, sequences, positions] as const;
  const shape = [rows, heads, headWidth, BLOCK_SIZE, 1, BLOCK_SIZE] as const;
  kernels.attention(CONTROL, qkv, ...cache, out, scratch, 0.1, ...shape, 1000, 1);
  const bytes = (address: number, floats: number) => new Uint8Array(memory.buffer, address, floats * 4).slice();
  return [bytes(qkv, rows * 3 * width), bytes(out, rows * width)];
}

function results(module: WebAssembly.Module): Uint8Array[] {
  const config = parseConfig({ n_layer: 1, n_head: 2, n_embd: 144, n_inner: 200, n_positions: 32, vocab_size: 301 });
  const memory = new WebAssembly.Memory({ initial: 32, maximum: 65536, shared: true });
  const kernels = instantiateKernels(module, memory);
  const quantized = (
    [
      ['int8', 8],
      ['int4', 8],
      ['int8', 4],
    ] as const
  ).flatMap(([kind, kvBits]) => {
    fill(memory);
    return quantizedLogits(kernels, memory, config, kind, kvBits);
  });
  fill(memory);
  return [...quantized, ...floatResults(kernels, memory)];
}

/** Whether both modules compute the same bytes, and something at all. */
export function kernelsAgree(one: WebAssembly.Module, other: WebAssembly.Module): boolean {
  const expected = results(one);
  const actual = results(other);
  return expected.every((bytes, i) => bytes.some((byte) => byte !== 0) && Buffer.from(bytes).equals(actual[i]!));
}
