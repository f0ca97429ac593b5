/** What backends take where the caller leaves a size open, and the check of those that are given. */
import { availableParallelism } from 'node:os';
import type { Gpt2Config } from '../config.ts';
import { ModelError } from '../errors.ts';

const MAX_DEFAULT_THREADS = 4;
const DEFAULT_SEQUENCES = 16;
const DEFAULT_CACHE_BYTES = 2 ** 29;

export function defaultThreads(): number {
  return Math.min(availableParallelism(), MAX_DEFAULT_THREADS);
}

/** Enough for 16 sequences of full length, but no more than 512 MiB unless one needs it. */
export function defaultBlockCount(config: Gpt2Config, blockSize: number, bytesPerBlock: number): number {
  const perSequence = Math.ceil(config.n_positions / blockSize);
  const affordable = Math.floor(DEFAULT_CACHE_BYTES / bytesPerBlock);
  return Math.max(perSequence, Math.min(DEFAULT_SEQUENCES * perSequence, affordable));
}

/** @throws ModelError naming the option that is no whole number from 1 */
export function refuseUnlessCount(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ModelError(`${name} must be a whole number from 1, got ${value}`);
  }
}
