/**
 * Tensors only; no policy. Promises: a row's logits are a pure function of the weights and of its own sequence's tokens up to its
 * position: bit for bit independent of the other rows, of how a prompt was cut into steps, of block numbers and of the thread count.
 */

/**
 * One step over ragged rows: row r is token `tokens[r]` at position `positions[r]` of the sequence `sequences[r]`, an index into
 * `blockTables`. Rows of one sequence are contiguous and ascending in position; all earlier positions were forwarded before.
 */
export interface StepBatch {
  /** [rows] */
  tokens: Int32Array;
  /** [rows] */
  positions: Int32Array;
  /** [rows] */
  sequences: Int32Array;
  /** Per sequence the numbers of its KV blocks; position p lies in blockTables[s][⌊p / blockSize⌋]. */
  blockTables: Int32Array[];
  /** Rows whose logits are wanted, ascending. */
  logitsRows: Int32Array;
}

export interface ModelBackendInfo {
  name: string;
  device: string;
  threads: number;
  quantization: 'none' | 'int8' | 'int4' | 'w4a8';
  /** How keys and values are kept. */
  kvCache: 'f32' | 'int8' | 'int4';
  /** Positions per KV block. */
  blockSize: number;
  blockCount: number;
  vocabSize: number;
  contextLength: number;
}

export interface ModelBackend {
  readonly info: ModelBackendInfo;
  /** One logits row [vocabSize] per entry of `logitsRows`, in order. A returned row may be reused by the next call. */
  forward(batch: StepBatch): Promise<Float32Array[]>;
  dispose(): Promise<void>;
}
