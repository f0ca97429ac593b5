/** What the backend needs of a way to compute: float weights and quantised ones are two of them. */
import type { StepBatch } from '@inkwell/ports';
import type { Gpt2Config } from '../../config.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import type { LoadProgress } from '../checkpoint-reader.ts';
import type { LogitsRoom } from '../logits-room.ts';
import type { Heap } from './heap.ts';
import type { TfjsRuntime } from './tfjs-runtime.ts';
import type { ThreadPool } from './thread-pool.ts';

export interface ModelRunner {
  /**
   * One row of logits per entry of `logitsRows`.
   * @param batch checked by checkStep
   */
  forward(batch: StepBatch): Float32Array[];
  dispose(): void;
}

export interface RunnerInput {
  readonly file: SafetensorsFile;
  readonly config: Gpt2Config;
  readonly runtime: TfjsRuntime;
  readonly pool: ThreadPool;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Where quantised images are kept; undefined to keep none. */
  readonly cacheDirectory: string | undefined;
  readonly onCacheFailure: (error: Error) => void;
}

/** Logits [rows, vocabulary] at `address`, copied out of the heap into room that the next step uses again. */
export function copyRows(heap: Pick<Heap, 'buffer'>, address: number, rows: number, room: LogitsRoom): Float32Array[] {
  const copy = room.forRows(rows);
  copy.set(new Float32Array(heap.buffer, address, copy.length));
  return room.rowsOf(copy);
}
