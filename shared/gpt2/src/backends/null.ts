/**
 * A backend without a model: whatever is asked, decoding yields a fixed cycle of tokens. Load tests use it to measure
 * everything around the model, and engine tests to know the answer beforehand. It keeps no KV cache.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import { ModelError } from '../errors.ts';

export interface NullBackendOptions {
  readonly vocabSize: number;
  readonly contextLength: number;
  /** The token drawn for position p is `cycle[p % cycle.length]`. */
  readonly cycle: readonly number[];
  /** How long each step takes; 0 answers at once. */
  readonly paceMs?: number;
  readonly blockSize?: number;
  readonly blockCount?: number;
}

/** So far below the chosen token's 0 that no penalty, bias or temperature brings another token into reach. */
const UNREACHABLE = -1e9;

function oneHot(vocabSize: number, token: number): Float32Array {
  if (!Number.isInteger(token) || token < 0 || token >= vocabSize) {
    throw new ModelError(`null backend: cycle holds ${token}, which is not a token id below ${vocabSize}`);
  }
  return new Float32Array(vocabSize).fill(UNREACHABLE).fill(0, token, token + 1);
}

/** @throws ModelError if the cycle is empty or holds an id outside the vocabulary */
export function createNullBackend(options: NullBackendOptions): ModelBackend {
  const { vocabSize, contextLength, cycle, paceMs = 0, blockSize = 16 } = options;
  if (cycle.length === 0) throw new ModelError('null backend: cycle must hold at least one token id');
  const rows = cycle.map((token) => oneHot(vocabSize, token));
  const info: ModelBackendInfo = {
    name: 'null',
    device: 'none',
    threads: 0,
    quantization: 'none',
    kvCache: 'f32',
    blockSize,
    blockCount: options.blockCount ?? 64 * Math.ceil(contextLength / blockSize),
    vocabSize,
    contextLength,
  };
  return {
    info,
    async forward(batch: StepBatch): Promise<Float32Array[]> {
      if (paceMs > 0) await delay(paceMs);
      return Array.from(batch.logitsRows, (row) => rows[(batch.positions[row]! + 1) % rows.length]!);
    },
    async dispose() {},
  };
}
