/**
 * Registers our kernels with TensorFlow.js under the backend name 'wasm', so that its engine tracks and frees their
 * outputs like those of its own. Each only looks up addresses, sizes the chunks and calls kernels.wasm.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { Kernels } from './kernels.ts';

/** Inputs and attributes arrive as the engine passes them on; ops.ts is the only caller and types both. */
type KernelArguments = { inputs: tf.NamedTensorInfoMap; attrs?: tf.NamedAttrMap; backend: unknown };

/** Below this much work, in multiply-adds, a chunk is not worth handing to another thread. */
const WORK_PER_CHUNK = 1 << 16;

interface Call {
  /** Address of an input; 0 if it was not given. */
  at(name: string): number;
  shape(name: string): number[];
  number(name: string): number;
  output(shape: number[]): { info: tf.TensorInfo; at: number };
  allocate(words: number): tf.TensorInfo;
}

function call({ inputs, attrs, backend }: KernelArguments): Call {
  const wasm = backend as BackendWasm;
  return {
    at: (name) => (inputs[name] ? wasm.getMemoryOffset(inputs[name].dataId) : 0),
    shape: (name) => inputs[name]!.shape,
    number: (name) => attrs![name] as number,
    output(shape) {
      const info = wasm.makeOutput(shape, 'float32');
      return { info, at: wasm.getMemoryOffset(info.dataId) };
    },
    allocate: (words) => wasm.makeOutput([words], 'int32'),
  };
}

/** Items per chunk so that a chunk holds at least WORK_PER_CHUNK, but everyone gets several to even out. */
function perChunk(items: number, workPerItem: number, threads: number): number {
  const smallest = Math.ceil(WORK_PER_CHUNK / workPerItem);
  return Math.max(1, Math.min(items, Math.max(smallest, Math.ceil(items / (threads * 8)))));
}

function embed(kernels: Kernels, c: Call): tf.TensorInfo {
  const [rows, width] = [c.shape('tokens')[0]!, c.shape('wpe')[1]!];
  const out = c.output([rows, width]);
  const rowsPerChunk = perChunk(rows, width * 4, c.number('threads'));
  kernels.embed(
    c.number('control'),
    c.at('tokens'),
    c.at('positions'),
    c.at('wte'),
    c.at('wpe'),
    out.at,
    rows,
    width,
    rowsPerChunk,
  );
  return out.info;
}

function layerNorm(kernels: Kernels, c: Call): tf.TensorInfo {
  const width = c.shape('x')[1]!;
  const rows = c.number('rows');
  const out = c.output([rows, width]);
  const rowsPerChunk = perChunk(rows, width * 4, c.number('threads'));
  kernels.layerNorm(
    c.number('control'),
    c.at('x'),
    c.at('selection'),
    c.at('gain'),
    c.at('bias'),
    out.at,
    c.number('epsilon'),
    rows,
    width,
    rowsPerChunk,
  );
  return out.info;
}

function linear(kernels: Kernels, c: Call): tf.TensorInfo {
  const [rows, depth] = c.shape('x') as [number, number];
  const columns = c.number('columns');
  const panels = c.shape('weight')[0]!;
  const out = c.output([rows, columns]);
  const panelsPerChunk = perChunk(panels, depth * 8 * Math.min(rows, 64), c.number('threads'));
  kernels.linear(
    c.number('control'),
    c.at('x'),
    c.at('weight'),
    c.at('bias'),
    c.at('residual'),
    out.at,
    c.at('scratch'),
    rows,
    depth,
    columns,
    c.number('activation'),
    panelsPerChunk,
  );
  return out.info;
}

/** Writes the caches in place; its output is an empty tensor because the engine wants one. */
function storeKv(kernels: Kernels, c: Call): tf.TensorInfo {
  const rows = c.shape('slots')[0]!;
  const [, heads, blockSize, headWidth] = c.shape('keys') as [number, number, number, number];
  const rowsPerChunk = perChunk(rows, heads * headWidth * 2, c.number('threads'));
  kernels.storeKv(
    c.number('control'),
    c.at('qkv'),
    c.at('slots'),
    c.at('keys'),
    c.at('values'),
    rows,
    heads,
    headWidth,
    blockSize,
    rowsPerChunk,
  );
  return c.output([0]).info;
}

function attention(kernels: Kernels, c: Call): tf.TensorInfo {
  const rows = c.shape('positions')[0]!;
  const [, heads, blockSize, headWidth] = c.shape('keys') as [number, number, number, number];
  const [sequences, tableWidth] = c.shape('tables') as [number, number];
  // Prefill has many rows of one sequence, decoding one of each.
  const rowsFirst = rows > 2 * sequences ? 1 : 0;
  const scratchWidth = c.shape('scratch')[1]!;
  const out = c.output([rows, heads * headWidth]);
  const itemsPerChunk = perChunk(rows * heads, c.number('meanLength') * headWidth * 2, c.number('threads'));
  kernels.attention(
    c.number('control'),
    c.at('qkv'),
    c.at('keys'),
    c.at('values'),
    c.at('tables'),
    c.at('sequences'),
    c.at('positions'),
    out.at,
    c.at('scratch'),
    c.number('scale'),
    rows,
    heads,
    headWidth,
    blockSize,
    tableWidth,
    scratchWidth,
    itemsPerChunk,
    rowsFirst,
  );
  return out.info;
}

/** An int32 tensor whose memory nobody has written. */
function allocate(_kernels: Kernels, c: Call): tf.TensorInfo {
  return c.allocate(c.number('words'));
}

/** Writes the logits into the step's own memory; its output is an empty tensor because the engine wants one. */
function quantizedStep(kernels: Kernels, c: Call): tf.TensorInfo {
  kernels.quantizedStep(c.number('control'), c.at('plan'), c.at('step'));
  return c.output([0]).info;
}

/** Kernel names as the engine knows them. */
export const KERNEL_NAMES = {
  embed: 'InkwellEmbed',
  layerNorm: 'InkwellLayerNorm',
  linear: 'InkwellLinear',
  storeKv: 'InkwellStoreKv',
  attention: 'InkwellPagedAttention',
  allocate: 'InkwellAllocate',
  quantizedStep: 'InkwellQuantizedStep',
} as const;

export function registerKernels(kernels: Kernels): void {
  const implementations = { embed, layerNorm, linear, storeKv, attention, allocate, quantizedStep };
  for (const key of Object.keys(implementations) as (keyof typeof implementations)[]) {
    tf.registerKernel({
      kernelName: KERNEL_NAMES[key],
      backendName: 'wasm',
      kernelFunc: (given) => implementations[key](kernels, call(given as KernelArguments)),
    });
  }
}
