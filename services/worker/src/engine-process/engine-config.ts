/** The engine as an operator's settings describe it: one reading for both editions, so that a setting cannot hold in one and be lost in the other. */
import type { ServiceConfig } from '@inkwell/contracts';
import type { EngineConfig } from './protocol.ts';

/**
 * Most sequences one engine runs at once. A job that finds no room waits in the queue, which costs a short one more than sharing its steps costs the
 * others; what they take of the memory together is bounded by the KV blocks.
 */
const maxSequences = 64;

type EngineSettings = Pick<
  ServiceConfig,
  | 'INKWELL_BACKEND'
  | 'INKWELL_THREADS'
  | 'INKWELL_QUANTIZATION'
  | 'INKWELL_KV_CACHE'
  | 'INKWELL_WIDE_VECTORS'
  | 'INKWELL_SPECULATION'
  | 'INKWELL_NULL_PACE_MS'
>;

/** @param cacheDirectory where quantised weights are kept for the next start; left out, nowhere */
export function engineConfigOf(settings: EngineSettings, modelDir: string, cacheDirectory?: string): EngineConfig {
  return {
    backend: settings.INKWELL_BACKEND,
    modelDir,
    threads: settings.INKWELL_THREADS,
    quantization: settings.INKWELL_QUANTIZATION,
    kvCache: settings.INKWELL_KV_CACHE,
    cacheDirectory,
    wideVectors: settings.INKWELL_WIDE_VECTORS === 'auto',
    speculation: settings.INKWELL_SPECULATION,
    nullPaceMs: settings.INKWELL_NULL_PACE_MS,
    maxSequences,
  };
}
