/**
 * A whole GPT-2 step with quantised weights, from tokens to logits, without leaving WebAssembly. Every phase is a job that the
 * threads share (see ../dispatch.ts); a phase too small to share runs on the main thread alone.
 */
import { dispatch } from '../dispatch';
import { getArgument, setArgument } from '../job';
import { runStoreKv4 } from './kv4';
import { panelWork, prepareLinear8 } from './linear';
import { Layer, Matrix, Plan, pointer, Step, word } from './plan';
import { prepareRows, rowsEnd, rowsStart, runEmbed8, runNormalize8, runQuantize8, runStoreKv8 } from './rows';
import { runQuantizedAttention } from './run-attention';

export const LINEAR_8: i32 = 6;
const EMBED_8: i32 = 7;
const NORMALIZE_8: i32 = 8;
const QUANTIZE_8: i32 = 9;
const STORE_KV_8: i32 = 10;
const ATTENTION_8: i32 = 11;
const STORE_KV_4: i32 = 12;

/** Below this much work, in multiply-adds or the like, a chunk is not worth handing to another thread. */
const WORK_PER_CHUNK: i32 = 1 << 16;

/** Items per chunk so that a chunk holds at least WORK_PER_CHUNK, but everyone gets several to even out. */
function perChunk(items: i32, workPerItem: i32, threads: i32): i32 {
  const smallest = (WORK_PER_CHUNK + workPerItem - 1) / workPerItem;
  const even = (items + threads * 8 - 1) / (threads * 8);
  return max(1, min(items, max(smallest, even)));
}

/** A chunk of any phase but LINEAR_8, on any thread. */
export function runPhase8(control: usize, kernel: i32, chunk: i32, thread: i32): void {
  const plan = <usize>(<u32>getArgument(control, 0));
  const step = <usize>(<u32>getArgument(control, 1));
  const a = <usize>(<u32>getArgument(control, 2));
  const b = <usize>(<u32>getArgument(control, 3));
  const c = <usize>(<u32>getArgument(control, 4));
  const from = rowsStart(control, chunk);
  const to = rowsEnd(control, chunk);
  const scratch = pointer(step, Step.SCRATCH) + <usize>thread * <usize>word(step, Step.SCRATCH_BYTES);
  switch (kernel) {
    case EMBED_8:
      return runEmbed8(plan, step, from, to);
    case NORMALIZE_8:
      return runNormalize8(plan, step, a, b, c, getArgument(control, 6), from, to, scratch);
    case QUANTIZE_8:
      return runQuantize8(step, a, getArgument(control, 3), getArgument(control, 6), from, to);
    case STORE_KV_8:
      return runStoreKv8(
        plan, step, pointer(a, Layer.KEYS), pointer(a, Layer.VALUES), pointer(a, Layer.KEY_SCALES), pointer(a, Layer.VALUE_SCALES),
        from, to,
      );
    case STORE_KV_4:
      return runStoreKv4(plan, step, a, from, to, scratch);
    case ATTENTION_8:
      return runQuantizedAttention(control, plan, a, step, scratch, chunk);
  }
}

function rowsPhase(
  control: usize, plan: usize, step: usize, kernel: i32, a: usize, b: usize, c: usize, items: i32, workPerItem: i32,
): void {
  setArgument(control, 0, <i32>plan);
  setArgument(control, 1, <i32>step);
  const each = perChunk(items, workPerItem, word(plan, Plan.THREADS));
  dispatch(control, kernel, prepareRows(control, a, b, c, 0, items, each));
}

/** [rows, width] -> integers [rows, width] */
function normalize(control: usize, plan: usize, step: usize, gain: usize, bias: usize, selection: usize, rows: i32): void {
  rowsPhase(control, plan, step, NORMALIZE_8, gain, bias, selection, rows, word(plan, Plan.WIDTH) * 16);
}

/** [rows, depth] -> integers [rows, depth] */
function quantize(control: usize, plan: usize, step: usize, x: usize, depth: i32, rows: i32): void {
  rowsPhase(control, plan, step, QUANTIZE_8, x, <usize>depth, 0, rows, depth * 8);
}

/** integers [rows, depth] -> [rows, columns] */
function linear(
  control: usize, plan: usize, step: usize, matrix: usize, residual: usize, out: usize, activation: i32, rows: i32,
): void {
  const panels = (word(matrix, Matrix.COLUMNS) + 7) >> 3;
  const each = perChunk(panels, panelWork(matrix, rows), word(plan, Plan.THREADS));
  dispatch(
    control, LINEAR_8,
    prepareLinear8(
      control, matrix, pointer(step, Step.INTEGERS), pointer(step, Step.SCALES), residual, out, pointer(step, Step.SCRATCH),
      word(step, Step.SCRATCH_BYTES), rows, activation, each,
    ),
  );
}

function storeKv(control: usize, plan: usize, step: usize, layer: usize, rows: i32): void {
  if (word(plan, Plan.KV_BITS) == 4) {
    rowsPhase(control, plan, step, STORE_KV_4, layer, 0, 0, word(plan, Plan.HEADS), rows * word(plan, Plan.HEAD_STRIDE) * 64);
  } else {
    rowsPhase(control, plan, step, STORE_KV_8, layer, 0, 0, rows, word(plan, Plan.WIDTH) * 32);
  }
}

function selfAttention(control: usize, plan: usize, step: usize, layer: usize, rows: i32): void {
  const x = pointer(step, Step.X);
  const width = word(plan, Plan.WIDTH);
  const attended = pointer(step, Step.ATTENDED);
  normalize(control, plan, step, pointer(layer, Layer.LN_1_GAIN), pointer(layer, Layer.LN_1_BIAS), 0, rows);
  linear(control, plan, step, pointer(layer, Layer.C_ATTN), 0, pointer(step, Step.QKV), 0, rows); // -> [rows, 3 * width]
  storeKv(control, plan, step, layer, rows);
  const workPerHead = word(step, Step.MEAN_LENGTH) * word(plan, Plan.HEAD_STRIDE) * 4;
  rowsPhase(control, plan, step, ATTENTION_8, layer, 0, 0, rows * word(plan, Plan.HEADS), workPerHead); // -> [rows, width]
  quantize(control, plan, step, attended, width, rows);
  linear(control, plan, step, pointer(layer, Layer.C_PROJ), x, x, 0, rows);
}

function feedForward(control: usize, plan: usize, step: usize, layer: usize, rows: i32): void {
  const x = pointer(step, Step.X);
  const hidden = pointer(step, Step.HIDDEN);
  const c_fc = pointer(layer, Layer.C_FC);
  normalize(control, plan, step, pointer(layer, Layer.LN_2_GAIN), pointer(layer, Layer.LN_2_BIAS), 0, rows);
  linear(control, plan, step, c_fc, 0, hidden, word(plan, Plan.ACTIVATION), rows); // -> [rows, n_inner]
  quantize(control, plan, step, hidden, word(c_fc, Matrix.COLUMNS), rows);
  linear(control, plan, step, pointer(layer, Layer.MLP_C_PROJ), x, x, 0, rows); // -> [rows, width]
}

/** Stores the keys and values of all rows, writes the logits of those selected. */
export function gpt2Step(control: usize, plan: usize, step: usize): void {
  const rows = word(step, Step.ROWS);
  rowsPhase(control, plan, step, EMBED_8, 0, 0, 0, rows, word(plan, Plan.WIDTH) * 4);
  let layer = pointer(plan, Plan.LAYER);
  for (let l = word(plan, Plan.LAYERS); l > 0; l--) {
    selfAttention(control, plan, step, layer, rows);
    feedForward(control, plan, step, layer, rows);
    layer += Plan.LAYER_BYTES;
  }
  const selected = word(step, Step.SELECTED);
  if (selected == 0) return;
  normalize(
    control, plan, step, pointer(plan, Plan.LN_F_GAIN), pointer(plan, Plan.LN_F_BIAS), pointer(step, Step.SELECTION), selected,
  );
  linear(control, plan, step, pointer(plan, Plan.LM_HEAD), 0, pointer(step, Step.LOGITS), 0, selected);
}
