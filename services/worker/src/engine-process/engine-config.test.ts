import { readEmbeddedConfig } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { engineConfigOf } from './engine-config.ts';

it('is all that the settings say of the engine', () => {
  const settings = readEmbeddedConfig({
    INKWELL_BACKEND: 'wasm',
    INKWELL_THREADS: '3',
    INKWELL_QUANTIZATION: 'w4a8',
    INKWELL_KV_CACHE: 'int4',
    INKWELL_WIDE_VECTORS: 'off',
    INKWELL_SPECULATION: 'off',
    INKWELL_NULL_PACE_MS: '7',
  });
  expect(engineConfigOf(settings, '/model', '/cache')).toEqual({
    backend: 'wasm',
    modelDir: '/model',
    threads: 3,
    quantization: 'w4a8',
    kvCache: 'int4',
    cacheDirectory: '/cache',
    wideVectors: false,
    speculation: 'off',
    nullPaceMs: 7,
    maxSequences: 64,
  });
});
