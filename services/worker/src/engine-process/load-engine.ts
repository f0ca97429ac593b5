/** Builds the engine that a configuration asks for. The only place that brings the model runtime in; runs in the engine process. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSchedulerLimits, Engine } from '@inkwell/engine';
import { createNullBackend, loadTokenizer, parseConfig } from '@inkwell/gpt2';
import type { ModelBackendInfo } from '@inkwell/ports';
import type { EngineConfig } from './protocol.ts';

/** What the null backend says over and over. */
const nullText = ' The engine without a model says the same words again and again, to measure all that lies around it.';

export interface LoadedEngine {
  engine: Engine;
  info: ModelBackendInfo;
}

/**
 * @param onPercent told of every hundredth of the weights
 * @throws ModelError worded for the operator when the model directory cannot be used
 */
export async function loadEngine(config: EngineConfig, onPercent: (percent: number) => void): Promise<LoadedEngine> {
  const limits = { ...defaultSchedulerLimits, maxSequences: config.maxSequences };
  if (config.backend === 'null') {
    const tokenizer = await loadTokenizer(config.modelDir);
    const { n_positions } = parseConfig(JSON.parse(await readFile(join(config.modelDir, 'config.json'), 'utf8')));
    const backend = createNullBackend({
      vocabSize: tokenizer.vocabSize,
      contextLength: n_positions,
      cycle: tokenizer.encode(nullText),
      paceMs: config.nullPaceMs,
      blockCount: config.blockCount,
    });
    return { engine: new Engine(backend, tokenizer, limits), info: backend.info };
  }
  // Without a model there is no need to wait for its runtime.
  const { loadModel } = await import('@inkwell/gpt2/tfjs');
  let said = 0;
  const { backend, tokenizer } = await loadModel(config.modelDir, {
    backend: config.backend,
    onProgress: ({ loadedBytes, totalBytes }) => {
      const percent = Math.floor((100 * loadedBytes) / totalBytes);
      if (percent > said) onPercent(percent);
      said = percent;
    },
    ...(config.threads > 0 && { threads: config.threads }),
    ...(config.quantization !== undefined && { quantization: config.quantization }),
    ...(config.kvCache !== undefined && { kvCache: config.kvCache }),
    ...(config.cacheDirectory !== undefined && { cacheDirectory: config.cacheDirectory }),
    ...(config.wideVectors !== undefined && { wideVectors: config.wideVectors }),
    ...(config.blockCount !== undefined && { blockCount: config.blockCount }),
  });
  return { engine: new Engine(backend, tokenizer, limits, config.speculation), info: backend.info };
}
