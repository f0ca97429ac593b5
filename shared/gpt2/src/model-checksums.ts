/** What tells one model directory from another: a checksum of each file that its text depends on. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from './errors.ts';

const FILES = ['config.json', 'vocab.json', 'merges.txt', 'model.safetensors'] as const;
const CHUNK_BYTES = 1 << 20;

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/**
 * SHA-256 in hexadecimal, by file name. Reads every byte of the weights.
 * @throws ModelError naming the file that cannot be read
 */
export async function modelChecksums(directory: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const file of FILES) {
    sums[file] = await sha256(join(directory, file)).catch((error: Error) => {
      throw new ModelError(`${file}: cannot be read from the model directory ${directory}`, { cause: error });
    });
  }
  return sums;
}
