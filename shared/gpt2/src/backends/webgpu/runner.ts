/** Runs steps of a loaded model: puts a batch into graphics memory, records all passes, submits them at once and reads back the logits. */
import type { StepBatch } from '@inkwell/ports';
import { flatTables, slotsOf } from '../step-inputs.ts';
import { on } from '../tfjs/platform.ts';
import { paddedWidth } from './layout.ts';
import { type ModelParts, type ModelPasses, modelPasses } from './model.ts';
import type { WebgpuRuntime } from './runtime.ts';
import { isEnough, type Room, roomFor, Workspace } from './workspace.ts';

/** Rows that may share a read of the weights; more would take more registers than cards have to spare. */
export const ROW_TILES = [8, 1] as const;
const MOST_ROWS = 512;
const MOST_LOGITS_BYTES = 2 ** 27;

/** Rows [from, to) of a batch, as a batch. */
function slice(batch: StepBatch, from: number, to: number): StepBatch {
  return {
    tokens: batch.tokens.subarray(from, to),
    positions: batch.positions.subarray(from, to),
    sequences: batch.sequences.subarray(from, to),
    blockTables: batch.blockTables,
    logitsRows: batch.logitsRows.filter((row) => row >= from && row < to).map((row) => row - from),
  };
}

/** See kernels/kernel.ts. */
function batchValues(batch: StepBatch, blockSize: number, tableWidth: number): Int32Array {
  const { tokens, positions, sequences, logitsRows } = batch;
  const slots = slotsOf(batch, blockSize);
  const values = new Int32Array(4 * (1 + tokens.length));
  values.set([tokens.length, logitsRows.length]);
  for (let row = 0; row < tokens.length; row++)
    values.set([tokens[row]!, positions[row]!, slots[row]!, sequences[row]! * tableWidth], 4 * (1 + row));
  return values;
}

export class WebgpuRunner {
  readonly #runtime: WebgpuRuntime;
  readonly #parts: ModelParts;
  /** A step of more rows is cut: its rows do not depend on each other's company. */
  readonly #mostRows: number;
  #tiles: readonly number[] = [1];
  #work: Workspace | undefined;
  #passes: ModelPasses | undefined;

  constructor(runtime: WebgpuRuntime, parts: ModelParts) {
    this.#runtime = runtime;
    this.#parts = parts;
    const { maxStorageBufferBindingSize, maxBufferSize } = runtime.device.limits;
    const logitsBytes = Math.min(MOST_LOGITS_BYTES, maxStorageBufferBindingSize, maxBufferSize);
    const affordable = Math.floor(logitsBytes / (4 * paddedWidth(parts.config.vocab_size)));
    this.#mostRows = Math.max(1, Math.min(MOST_ROWS, affordable));
  }

  /** Numbers of rows that may share a read of the weights, largest first. */
  get tiles(): readonly number[] {
    return this.#tiles;
  }

  set tiles(tiles: readonly number[]) {
    this.#tiles = tiles;
  }

  #prepare(needed: Room): { work: Workspace; passes: ModelPasses } {
    if (this.#work !== undefined && this.#passes !== undefined && isEnough(this.#work.room, needed))
      return { work: this.#work, passes: this.#passes };
    const room = roomFor(this.#work?.room, needed);
    this.#work?.dispose();
    const work = new Workspace(this.#runtime, this.#parts.config, room);
    const passes = modelPasses(this.#parts, work);
    this.#work = work;
    this.#passes = passes;
    return { work, passes };
  }

  async #runPiece(batch: StepBatch): Promise<Float32Array[]> {
    const rows = batch.tokens.length;
    const logits = batch.logitsRows.length;
    const { flat, width } = flatTables(batch.blockTables);
    const { work, passes } = this.#prepare({ rows, logits, tables: flat.length });
    work.write(work.batch, batchValues(batch, this.#parts.blockSize, width));
    work.write(work.tables, flat);
    work.write(work.selection, batch.logitsRows);
    const tileFor = (count: number) => this.#tiles.findLast((tile) => tile >= count) ?? this.#tiles[0]!;
    on(this.#runtime.platform, () => {
      for (const pass of passes.layers) pass({ rows, logits, rowsPerGroup: tileFor(rows) });
      if (logits > 0) for (const pass of passes.logits) pass({ rows, logits, rowsPerGroup: tileFor(logits) });
    });
    if (logits > 0) return work.readLogits(logits, this.#parts.config.vocab_size);
    this.#runtime.backend.endComputePassEncoder();
    this.#runtime.backend.submitQueue();
    await this.#runtime.device.queue.onSubmittedWorkDone();
    return [];
  }

  /**
   * @param batch checked by checkStep
   * @throws RangeError if more logits are wanted than there are rows
   * @throws Error if the device was lost
   */
  async run(batch: StepBatch): Promise<Float32Array[]> {
    if (batch.logitsRows.length > batch.tokens.length)
      throw new RangeError(`step batch: ${batch.logitsRows.length} logits of ${batch.tokens.length} rows`);
    const rows: Float32Array[] = [];
    for (let from = 0; from < batch.tokens.length; from += this.#mostRows) {
      const to = Math.min(from + this.#mostRows, batch.tokens.length);
      const piece = from === 0 && to === batch.tokens.length ? batch : slice(batch, from, to);
      rows.push(...(await this.#runtime.guard(() => this.#runPiece(piece))));
    }
    return rows;
  }

  dispose(): void {
    this.#work?.dispose();
  }
}
