/**
 * The records through which a quantised model is described to its kernels, one 32-bit word per field. They are written by
 * src/backends/tfjs-wasm/quantized/plan.ts, whose lists have the same order.
 */

@inline
export function word(record: usize, field: i32): i32 {
  return load<i32>(record + (<usize>field << 2));
}

@inline
export function pointer(record: usize, field: i32): usize {
  return <usize>load<u32>(record + (<usize>field << 2));
}

@inline
export function float(record: usize, field: i32): f32 {
  return load<f32>(record + (<usize>field << 2));
}

/** The model: constant from load to dispose. */
export namespace Plan {
  export const LAYERS = 0;
  export const WIDTH = 1;
  export const HEADS = 2;
  export const HEAD_WIDTH = 3;
  /** Channels a head's keys have per position: the head width rounded up to 16. */
  export const HEAD_STRIDE = 4;
  export const ACTIVATION = 5;
  export const EPSILON = 6;
  export const BLOCK_SIZE = 7;
  export const WTE = 8;
  export const WPE = 9;
  export const LN_F_GAIN = 10;
  export const LN_F_BIAS = 11;
  export const LM_HEAD = 12;
  /** Address of the first layer record. */
  export const LAYER = 13;
  export const LAYER_BYTES: usize = 64;
  export const THREADS = 14;
  /** Bits of a key's or a value's integer: 8 or 4. */
  export const KV_BITS = 15;
}

export namespace Layer {
  export const LN_1_GAIN = 0;
  export const LN_1_BIAS = 1;
  export const C_ATTN = 2;
  export const C_PROJ = 3;
  export const LN_2_GAIN = 4;
  export const LN_2_BIAS = 5;
  export const C_FC = 6;
  export const MLP_C_PROJ = 7;
  export const KEYS = 8;
  export const VALUES = 9;
  export const KEY_SCALES = 10;
  export const VALUE_SCALES = 11;
  export const SCORE_SCALE = 12;
}

export namespace Matrix {
  export const WEIGHT = 0;
  export const SCALES = 1;
  export const BIAS = 2;
  export const DEPTH = 3;
  /** Inputs rounded up to 4. */
  export const PADDED_DEPTH = 4;
  export const COLUMNS = 5;
  /** 1 if weights have 4 bits and scales for every 32 of a column (see groups.ts), 0 if they have 8 and one scale per column. */
  export const GROUPED = 6;
}

/** One step: its rows, and the buffers it works in. */
export namespace Step {
  export const ROWS = 0;
  export const TOKENS = 1;
  export const POSITIONS = 2;
  export const SEQUENCES = 3;
  export const SLOTS = 4;
  export const TABLES = 5;
  export const TABLE_WIDTH = 6;
  export const SELECTION = 7;
  export const SELECTED = 8;
  export const MEAN_LENGTH = 9;
  /** 1 if a chunk of attention should go through the rows of one head first. */
  export const ROWS_FIRST = 10;
  /** [rows, width] */
  export const X = 11;
  /** [rows, 3 * width] */
  export const QKV = 12;
  /** [rows, width] */
  export const ATTENDED = 13;
  /** [rows, n_inner] */
  export const HIDDEN = 14;
  /** [selected, vocabulary] */
  export const LOGITS = 15;
  /** Activations as integers, in groups of four rows (see activations.ts). */
  export const INTEGERS = 16;
  /** [rows], one scale each. */
  export const SCALES = 17;
  export const SCRATCH = 18;
  export const SCRATCH_BYTES = 19;
}
