/** Fills the image of a quantised model: from the cache on disk if that fits, else from the checkpoint, and then into the cache. */
import { CheckpointReader, checkpointBytes } from '../../checkpoint-reader.ts';
import type { RunnerInput } from '../model-runner.ts';
import { buildImage } from './build-image.ts';
import type { ImageLayout, QuantizedKind } from './image.ts';
import { ImageCache } from './image-cache.ts';

async function quantize(image: Uint8Array, layout: ImageLayout, input: RunnerInput): Promise<void> {
  image.fill(0);
  await buildImage(image, layout, new CheckpointReader(input.file, input.config, input.onProgress));
}

/** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
export async function loadImage(
  image: Uint8Array,
  layout: ImageLayout,
  kind: QuantizedKind,
  input: RunnerInput,
): Promise<void> {
  const { cacheDirectory, file, config, onProgress, onCacheFailure } = input;
  if (cacheDirectory === undefined) return quantize(image, layout, input);
  const cache = await ImageCache.of(cacheDirectory, file.path, config, kind);
  const totalBytes = checkpointBytes(config);
  const report = (bytes: number) =>
    onProgress({ loadedBytes: Math.round((bytes / image.length) * totalBytes), totalBytes, tensor: 'quantised image' });
  if (await cache.read(image, report)) return;
  const identity = await cache.identify();
  await quantize(image, layout, input);
  // Without the cache the next start takes longer, nothing else.
  await cache.write(image, identity).catch((error: Error) => onCacheFailure(error));
}
