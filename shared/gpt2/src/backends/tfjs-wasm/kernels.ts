/**
 * The typed face of kernels.wasm (source in /assembly). Pointers are byte addresses in TensorFlow.js's heap; `control`
 * is the control block of the thread pool that shall share the work.
 */
import type { Activation } from '../../config.ts';

type Pointer = number;

export interface Kernels {
  /** A worker thread's life: returns after `stop`. */
  serve(control: Pointer, thread: number): void;
  stop(control: Pointer): void;
  linearScratchBytes(): number;
  embed(
    control: Pointer,
    tokens: Pointer,
    positions: Pointer,
    wte: Pointer,
    wpe: Pointer,
    out: Pointer,
    rows: number,
    width: number,
    rowsPerChunk: number,
  ): void;
  layerNorm(
    control: Pointer,
    x: Pointer,
    selection: Pointer,
    gain: Pointer,
    bias: Pointer,
    out: Pointer,
    epsilon: number,
    rows: number,
    width: number,
    rowsPerChunk: number,
  ): void;
  linear(
    control: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    residual: Pointer,
    out: Pointer,
    scratch: Pointer,
    rows: number,
    depth: number,
    columns: number,
    activation: number,
    panelsPerChunk: number,
  ): void;
  storeKv(
    control: Pointer,
    qkv: Pointer,
    slots: Pointer,
    keys: Pointer,
    values: Pointer,
    rows: number,
    heads: number,
    headWidth: number,
    blockSize: number,
    rowsPerChunk: number,
  ): void;
  attention(
    control: Pointer,
    qkv: Pointer,
    keys: Pointer,
    values: Pointer,
    tables: Pointer,
    sequences: Pointer,
    positions: Pointer,
    out: Pointer,
    scratch: Pointer,
    scale: number,
    rows: number,
    heads: number,
    headWidth: number,
    blockSize: number,
    tableWidth: number,
    scratchWidth: number,
    itemsPerChunk: number,
    rowsFirst: number,
  ): void;
  /** A whole step; `plan` and `step` are records as quantized/plan.ts and quantized/step-record.ts write them. */
  quantizedStep(control: Pointer, plan: Pointer, step: Pointer): void;
  quantizedScratchBytes(
    width: number,
    headStride: number,
    tableWidth: number,
    blockSize: number,
    groupedDepth: number,
  ): number;
}

/** Agrees with `activate` in assembly/vector-math.ts. */
export const ACTIVATION_CODES: Readonly<Record<Activation | 'none', number>> = {
  none: 0,
  gelu_tanh: 1,
  gelu_erf: 2,
  relu: 3,
  silu: 4,
  tanh: 5,
};

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
