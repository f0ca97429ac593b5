/**
 * TensorFlow's C library through `@tensorflow/tfjs-node`, built by `npm run build:tfjs-node`. Its folder has a copy of tfjs-core, which is no second engine: all copies in a
 * process share one, so what it registers there computes for us.
 */
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { requireOptional, TFJS_NODE } from './optional-packages.ts';
import type { Platform } from './platform.ts';

/** The package was frozen before Node 23 removed the one and deprecated the other with a warning. */
function restoreHelpers(require: NodeJS.Require): void {
  const util = require('node:util') as Record<'isNullOrUndefined' | 'isArray', (value: unknown) => boolean>;
  util.isNullOrUndefined = (value) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** @throws ModelError saying how to get it, where it has not been built */
export async function startTfjsNode(): Promise<Platform> {
  const require = requireOptional(TFJS_NODE);
  restoreHelpers(require);
  // Else library and package tell of themselves on stderr.
  tf.env().set('PROD', true);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  const { version } = require('@tensorflow/tfjs-node') as { version: Readonly<Record<string, string>> };
  return {
    backend: 'tensorflow',
    name: 'tfjs-node',
    device: `cpu (libtensorflow, tfjs-node ${version['tfjs-node']})`,
    threads: availableParallelism(),
  };
}
