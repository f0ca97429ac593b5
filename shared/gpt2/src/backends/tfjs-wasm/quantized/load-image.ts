/** Fills the image of a quantised model from its checkpoint. */
import { CheckpointReader } from '../checkpoint-reader.ts';
import type { RunnerInput } from '../model-runner.ts';
import { buildImage } from './build-image.ts';
import type { ImageLayout } from './image.ts';

/** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
export async function loadImage(image: Uint8Array, layout: ImageLayout, input: RunnerInput): Promise<void> {
  image.fill(0);
  await buildImage(image, layout, new CheckpointReader(input.file, input.config, input.onProgress));
}
