/** What one step reads and writes beside weights and KV cache: room for so many rows, so many logits and so many numbers of blocks. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { GpuMemory } from './gpu-memory.ts';
import { paddedWidth, powerOfTwoFrom, QUAD, quadsOf } from './layout.ts';
import type { WebgpuRuntime } from './runtime.ts';

export interface Room {
  readonly rows: number;
  readonly logits: number;
  /** Block numbers of all tables together. */
  readonly tables: number;
}

/** Whole tiles of rows, so that a tile's last rows lie inside, too. */
const LEAST: Room = { rows: 16, logits: 8, tables: 64 };
const names = ['rows', 'logits', 'tables'] as const;

export const isEnough = (room: Room, needed: Room) => names.every((name) => room[name] >= needed[name]);

/** Enough for both, in powers of two, so that a workspace grows but a few times. */
export function roomFor(before: Room | undefined, needed: Room): Room {
  const size = (name: keyof Room) => powerOfTwoFrom(Math.max(before?.[name] ?? 0, needed[name]), LEAST[name]);
  return { rows: size('rows'), logits: size('logits'), tables: size('tables') };
}

export class Workspace {
  readonly room: Room;
  /** [1 + rows, 4], see kernels/kernel.ts. */
  readonly batch: tf.Tensor;
  /** [logits] the rows whose logits are wanted. */
  readonly selection: tf.Tensor;
  /** [tables] */
  readonly tables: tf.Tensor;
  /** [rows, n_embd] the residual stream. */
  readonly x: tf.Tensor;
  /** [rows, n_head, head width] */
  readonly queries: tf.Tensor;
  /** [rows, n_embd] */
  readonly attended: tf.Tensor;
  /** [rows, n_inner] */
  readonly hidden: tf.Tensor;
  /** [logits, n_embd] */
  readonly normal: tf.Tensor;
  /** [logits, n_vocab] */
  readonly logits: tf.Tensor;
  readonly #runtime: WebgpuRuntime;
  readonly #memory: GpuMemory;
  readonly #logitsWidth: number;
  /** Where logits are read back. */
  readonly #staging: GPUBuffer;

  constructor(runtime: WebgpuRuntime, config: Gpt2Config, room: Room) {
    const { n_embd, n_head, n_inner, vocab_size } = config;
    const { rows, logits } = room;
    const memory = new GpuMemory(runtime.device, runtime.platform);
    this.room = room;
    this.#runtime = runtime;
    this.#memory = memory;
    this.#logitsWidth = paddedWidth(vocab_size);
    this.batch = memory.zeros([1 + rows, 4], 'int32');
    this.selection = memory.zeros([logits], 'int32');
    this.tables = memory.zeros([room.tables], 'int32');
    this.x = memory.zeros([rows, paddedWidth(n_embd)]);
    this.queries = memory.zeros([rows, n_head, quadsOf(n_embd / n_head) * QUAD]);
    this.attended = memory.zeros([rows, paddedWidth(n_embd)]);
    this.hidden = memory.zeros([rows, paddedWidth(n_inner)]);
    this.normal = memory.zeros([Math.max(logits, LEAST.logits), paddedWidth(n_embd)]);
    this.logits = memory.zeros([logits, this.#logitsWidth]);
    const size = 4 * logits * this.#logitsWidth;
    this.#staging = runtime.device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  }

  /** Takes effect before what is submitted next. */
  write(tensor: tf.Tensor, values: Int32Array): void {
    if (values.length > 0) this.#runtime.device.queue.writeBuffer(this.#memory.bufferOf(tensor), 0, values);
  }

  /** Submits the step, then answers its first `count` rows of logits. */
  async readLogits(count: number, vocabSize: number): Promise<Float32Array[]> {
    const { backend } = this.#runtime;
    const bytes = 4 * count * this.#logitsWidth;
    backend.endComputePassEncoder();
    backend.commandEncoder!.copyBufferToBuffer(this.#memory.bufferOf(this.logits), 0, this.#staging, 0, bytes);
    backend.submitQueue();
    await this.#staging.mapAsync(GPUMapMode.READ, 0, bytes);
    const values = new Float32Array(this.#staging.getMappedRange(0, bytes).slice(0));
    this.#staging.unmap();
    return Array.from({ length: count }, (_, row) =>
      values.subarray(row * this.#logitsWidth, row * this.#logitsWidth + vocabSize),
    );
  }

  dispose(): void {
    this.#memory.dispose();
    this.#staging.destroy();
  }
}
