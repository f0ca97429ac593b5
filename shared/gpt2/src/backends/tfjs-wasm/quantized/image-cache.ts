/**
 * Keeps images on disk so that a model is quantised once. A file holds a header of one block (JSON: which weights the image was made
 * from, the image's checksum), then the image. It is used only if all of it fits: format, configuration, weights and checksum;
 * anything else, a torn file included, means quantising again. Files appear complete, by renaming.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Gpt2Config } from '../../../config.ts';
import type { QuantizedKind } from './image.ts';

/** Changes whenever the bytes of an image mean something else. */
const FORMATS: Readonly<Record<QuantizedKind, string>> = {
  int8: 'inkwell-int8-1',
  int4: 'inkwell-int4-1',
  w4a8: 'inkwell-w4a8-1',
};
const HEADER_BYTES = 4096;
const CHUNK_BYTES = 1 << 24;

export interface ImageIdentity {
  readonly format: string;
  /** The configuration, which gives the image its layout. */
  readonly config: string;
  /** Size, times and inode of the weights: unchanged, the weights are the same. */
  readonly weightsStat: string;
  /** SHA-256 of the weights: the same, though the file was copied or touched. */
  readonly weightsHash: string;
}

interface Header extends ImageIdentity {
  readonly imageHash: string;
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function statOf(path: string): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return [size, mtimeNs, ctimeNs, ino].join(' ');
}

function parseHeader(block: Buffer): Header | undefined {
  const end = block.indexOf('\n');
  try {
    const header: unknown = JSON.parse(block.toString('utf8', 0, Math.max(0, end)));
    return typeof header === 'object' && header !== null ? (header as Header) : undefined;
  } catch {
    return undefined;
  }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number, onRead: (bytes: number) => void) {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, Math.min(CHUNK_BYTES, into.length - done), position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
    onRead(done);
  }
  return true;
}

export class ImageCache {
  readonly #directory: string;
  readonly #path: string;
  readonly #weights: string;
  readonly #config: string;
  readonly #format: string;

  private constructor(directory: string, path: string, weights: string, config: string, format: string) {
    this.#format = format;
    this.#directory = directory;
    this.#path = path;
    this.#weights = weights;
    this.#config = config;
  }

  /** @param weights path of model.safetensors; each has one file of each kind in `directory` */
  static async of(directory: string, weights: string, config: Gpt2Config, kind: QuantizedKind): Promise<ImageCache> {
    const place = await realpath(weights);
    const name = createHash('sha256').update(place).digest('hex').slice(0, 16);
    const path = join(directory, `${name}.${kind}`);
    return new ImageCache(directory, path, place, JSON.stringify(config), FORMATS[kind]);
  }

  /**
   * Fills `image` from disk.
   * @returns false if there is none that fits; `image` then holds anything
   */
  async read(image: Uint8Array, onRead: (bytes: number) => void): Promise<boolean> {
    const file = await open(this.#path, 'r').catch(() => undefined);
    if (file === undefined) return false;
    try {
      const block = Buffer.alloc(HEADER_BYTES);
      const { bytesRead } = await file.read(block, 0, HEADER_BYTES, 0);
      const header = bytesRead === HEADER_BYTES ? parseHeader(block) : undefined;
      if (header === undefined || !(await this.#fits(header))) return false;
      if ((await file.stat()).size !== HEADER_BYTES + image.length) return false;
      if (!(await readFully(file, image, HEADER_BYTES, onRead))) return false;
      return createHash('sha256').update(image).digest('hex') === header.imageHash;
    } finally {
      await file.close();
    }
  }

  async #fits({ format, config, weightsStat, weightsHash }: Header): Promise<boolean> {
    if (format !== this.#format || config !== this.#config) return false;
    return weightsStat === (await statOf(this.#weights)) || weightsHash === (await sha256OfFile(this.#weights));
  }

  /** Which weights an image is about to be made from. To be taken before they are read: a change meanwhile then shows. */
  async identify(): Promise<ImageIdentity> {
    const weightsStat = await statOf(this.#weights);
    return { format: this.#format, config: this.#config, weightsStat, weightsHash: await sha256OfFile(this.#weights) };
  }

  /** @throws if the directory cannot be written */
  async write(image: Uint8Array, identity: ImageIdentity): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const header: Header = { ...identity, imageHash: createHash('sha256').update(image).digest('hex') };
    const block = Buffer.alloc(HEADER_BYTES, ' ');
    if (block.write(`${JSON.stringify(header)}\n`) === HEADER_BYTES) throw new RangeError('image header: too long');
    const unfinished = `${this.#path}.${randomUUID()}`;
    try {
      const file = await open(unfinished, 'wx', 0o600);
      try {
        await file.write(block);
        for (let at = 0; at < image.length; at += CHUNK_BYTES) {
          await writeFully(file, image.subarray(at, at + CHUNK_BYTES));
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, this.#path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}
