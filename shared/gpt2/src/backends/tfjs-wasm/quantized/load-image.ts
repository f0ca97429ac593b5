/** Fills the image of a quantised model: from the cache on disk if that fits, else from the checkpoint, and then into the cache. */
import type { Gpt2Config } from '../../../config.ts';
import type { SafetensorsFile } from '../../../safetensors/reader.ts';
import { CheckpointReader, checkpointBytes, type LoadProgress } from '../../checkpoint-reader.ts';
import { buildImage } from './build-image.ts';
import type { ImageLayout, QuantizedKind } from './image.ts';
import { ImageCache } from './image-cache.ts';

export interface ImageSource {
  readonly file: SafetensorsFile;
  readonly config: Gpt2Config;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Where images are kept; undefined to keep none. */
  readonly cacheDirectory: string | undefined;
  readonly onCacheFailure: (error: Error) => void;
}

async function quantize(image: Uint8Array, layout: ImageLayout, input: ImageSource): Promise<void> {
  image.fill(0);
  await buildImage(image, layout, new CheckpointReader(input.file, input.config, input.onProgress));
}

/** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
export async function loadImage(
  image: Uint8Array,
  layout: ImageLayout,
  kind: QuantizedKind,
  input: ImageSource,
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
