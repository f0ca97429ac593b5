/** What a model needs of a graphics card that not every card allows. Checked before anything is allocated. */
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import { MOST_HEAD_WIDTH } from './kernels/attention.wgsl.ts';
import type { WeightKind } from './kernels/weights.wgsl.ts';
import { PANEL, panelsOf, QUAD, quadsOf } from './layout.ts';

export interface GpuSizes {
  readonly weights: WeightKind;
  readonly blockSize: number;
  readonly blockCount: number;
}

export type GpuLimits = Pick<
  GPUSupportedLimits,
  'maxBufferSize' | 'maxStorageBufferBindingSize' | 'maxComputeWorkgroupsPerDimension'
>;

const BYTES: Readonly<Record<WeightKind, number>> = { f32: 4, int8: 1 };

/** [panels, n_in / 4, 8, 4], without scales. */
function matrixBytes(depth: number, columns: number, weights: WeightKind): number {
  return panelsOf(columns) * quadsOf(depth) * PANEL * QUAD * BYTES[weights];
}

/** Bytes of the keys, or the values, of one layer. */
function cacheBytes({ n_head, n_embd }: Gpt2Config, positions: number): number {
  return positions * n_head * quadsOf(n_embd / n_head) * QUAD * BYTES.f32;
}

/** Bytes of one KV block over all layers. */
export function gpuBlockBytes(config: Gpt2Config, blockSize: number): number {
  return 2 * config.n_layer * cacheBytes(config, blockSize);
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

/** @throws ModelError naming what is too large for the card, and what to do about it */
export function refuseBeyondLimits(config: Gpt2Config, sizes: GpuSizes, limits: GpuLimits): void {
  const { n_embd, n_head, n_inner, vocab_size } = config;
  const { weights, blockSize, blockCount } = sizes;
  if (n_embd / n_head > MOST_HEAD_WIDTH)
    throw new ModelError(`webgpu: heads of ${n_embd / n_head} are too wide, its kernels take ${MOST_HEAD_WIDTH}`);
  const [widest, columns] = n_inner > vocab_size ? ['mlp.c_fc.weight', n_inner] : ['wte.weight', vocab_size];
  if (panelsOf(columns) > limits.maxComputeWorkgroupsPerDimension)
    throw new ModelError(`webgpu: ${widest} has ${columns} columns, too many for this graphics card`);
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const matrix = matrixBytes(n_embd, columns, weights);
  if (matrix > most) {
    const smaller = matrixBytes(n_embd, columns, 'int8');
    const way = weights === 'f32' && smaller <= most ? `quantization int8 (${megabytes(smaller)})` : 'another backend';
    throw new ModelError(
      `webgpu: ${widest} takes ${megabytes(matrix)} in one buffer, this graphics card allows ${megabytes(most)}: use ${way}`,
    );
  }
  const cache = cacheBytes(config, blockSize * blockCount);
  if (cache > most) {
    throw new ModelError(
      `webgpu: the keys of a layer take ${megabytes(cache)} in one buffer, this graphics card allows ${megabytes(most)}: use fewer KV blocks (now ${blockCount})`,
    );
  }
}
