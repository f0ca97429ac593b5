/**
 * TensorFlow's C library through `@tensorflow/tfjs-node`, built by `npm run build:tfjs-node`, or with `-- --gpu` through `@tensorflow/tfjs-node-gpu`, which computes on an NVIDIA
 * card if there is one. Its folder has a copy of tfjs-core, which is no second engine: all copies in a process share one, so what it registers there computes for us.
 */
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { type OptionalPackages, requireOptional, TFJS_NODE, TFJS_NODE_GPU } from './optional-packages.ts';
import type { Platform } from './platform.ts';

/** The package was frozen before Node 23 removed the one and deprecated the other with a warning. */
function restoreHelpers(require: NodeJS.Require): void {
  const util = require('node:util') as Record<'isNullOrUndefined' | 'isArray', (value: unknown) => boolean>;
  util.isNullOrUndefined = (value) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** @throws ModelError saying how to get it, where it has not been built */
async function start(packages: OptionalPackages): Promise<Platform> {
  const require = requireOptional(packages);
  const name = packages.backend;
  restoreHelpers(require);
  // Else library and package tell of themselves on stderr.
  tf.env().set('PROD', true);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // Cards since Ampere would round factors to ten bits of fraction.
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  const { version } = require(`@tensorflow/${name}`) as { version: Readonly<Record<string, string>> };
  const { isUsingGpuDevice } = tf.findBackend('tensorflow') as unknown as { isUsingGpuDevice: boolean };
  const device = isUsingGpuDevice ? 'gpu' : name === 'tfjs-node-gpu' ? 'cpu, for no card was found' : 'cpu';
  return {
    backend: 'tensorflow',
    name,
    device: `${device} (libtensorflow, ${name} ${version['tfjs-node']})`,
    threads: availableParallelism(),
  };
}

export const startTfjsNode = () => start(TFJS_NODE);
export const startTfjsNodeGpu = () => start(TFJS_NODE_GPU);
