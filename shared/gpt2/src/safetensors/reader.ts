/**
 * Reads float tensors from a safetensors file one at a time, so that loading a model needs memory for one tensor beyond
 * the model itself. Guarantees that a truncated or inconsistent file is refused by tensor name before any data is used.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import { toFloat32 } from './float-conversion.ts';
import { type FloatType, headerLength, parseHeader, type TensorEntry } from './header.ts';

export class SafetensorsFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #entries: ReadonlyMap<string, TensorEntry>;

  private constructor(path: string, handle: FileHandle, entries: readonly TensorEntry[]) {
    this.path = path;
    this.#handle = handle;
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /** @throws ModelError if the header and the file's size do not agree */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await open(path, 'r').catch((error: Error) => {
      throw new ModelError(`${path}: cannot be opened (${error.message})`, { cause: error });
    });
    try {
      const { size } = await handle.stat();
      const length = headerLength(await readFully(handle, 0, Math.min(8, size)), size);
      return new SafetensorsFile(path, handle, parseHeader(await readFully(handle, 8, length), size));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get entries(): IterableIterator<TensorEntry> {
    return this.#entries.values();
  }

  find(name: string): TensorEntry | undefined {
    return this.#entries.get(name);
  }

  /**
   * One tensor as float32, row-major.
   * @throws ModelError if it is missing, has another shape or is not F32, F16 or BF16
   */
  async read(name: string, shape: readonly number[]): Promise<Float32Array> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new ModelError(`safetensors: tensor ${name}: is missing`);
    if (entry.shape.length !== shape.length || entry.shape.some((size, axis) => size !== shape[axis])) {
      throw new ModelError(`safetensors: tensor ${name}: has shape [${entry.shape}], config.json implies [${shape}]`);
    }
    if (!isFloatType(entry.dtype)) {
      throw new ModelError(
        `safetensors: tensor ${name}: has dtype ${entry.dtype}; only F32, F16 and BF16 can be loaded`,
      );
    }
    return toFloat32(await readFully(this.#handle, entry.offset, entry.sizeBytes), entry.dtype);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function isFloatType(dtype: string): dtype is FloatType {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

async function readFully(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new ModelError('safetensors: the file became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}
