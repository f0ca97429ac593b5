/**
 * Reads a checkpoint's tensors by name, checked against the configuration. Accepts names with and without the
 * `transformer.` prefix and ignores the causal-mask buffers old checkpoints carry.
 */
import type { Gpt2Config } from '../config.ts';
import { ModelError } from '../errors.ts';
import type { SafetensorsFile } from '../safetensors/reader.ts';
import { modelTensors } from '../tensor-names.ts';

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** The tensor just loaded. */
  readonly tensor: string;
}

function refuseNotFinite(name: string, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new ModelError(`safetensors: tensor ${name}: value ${i} is ${values[i]}; the file is damaged`);
    }
  }
}

/** Bytes of all weights as floats. */
export function checkpointBytes(config: Gpt2Config): number {
  return modelTensors(config).reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
}

export class CheckpointReader {
  readonly #file: SafetensorsFile;
  readonly #onProgress: (progress: LoadProgress) => void;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #totalBytes: number;
  #loadedBytes = 0;

  constructor(file: SafetensorsFile, config: Gpt2Config, onProgress: (progress: LoadProgress) => void) {
    this.#file = file;
    this.#onProgress = onProgress;
    this.#shapes = new Map(modelTensors(config).map(({ name, shape }) => [name, shape]));
    this.#totalBytes = checkpointBytes(config);
  }

  shape(name: string): readonly number[] {
    return this.#shapes.get(name)!;
  }

  /** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
  async read(name: string): Promise<Float32Array> {
    const prefixed = `transformer.${name}`;
    const values = await this.#file.read(this.#file.find(prefixed) ? prefixed : name, this.shape(name));
    refuseNotFinite(name, values);
    this.#loadedBytes += values.byteLength;
    this.#onProgress({ loadedBytes: this.#loadedBytes, totalBytes: this.#totalBytes, tensor: name });
    return values;
  }
}
