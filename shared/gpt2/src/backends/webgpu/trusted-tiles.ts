/**
 * How many rows may share a read of the weights. A tile of rows is a program of its own, and WGSL lets a compiler fuse and reorder its floating point. So it is tried, on the
 * model's own weights: a tile is used only if every bit of the logits is what rows get alone.
 */
import type { StepBatch } from '@inkwell/ports';
import { ROW_TILES, type WebgpuRunner } from './runner.ts';

const bytesOf = (rows: readonly Float32Array[]) =>
  Buffer.concat(rows.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)));

/**
 * Leaves the runner with them.
 * @param batch with a row for each place of the largest tile, and logits of all
 * @returns largest first; 1 is always the last
 */
export async function trustedTiles(
  runner: Pick<WebgpuRunner, 'tiles' | 'run'>,
  batch: StepBatch,
): Promise<readonly number[]> {
  runner.tiles = [1];
  const alone = bytesOf(await runner.run(batch));
  const trusted: number[] = [];
  for (const tile of ROW_TILES.filter((size) => size > 1)) {
    runner.tiles = [tile];
    if (bytesOf(await runner.run(batch)).equals(alone)) trusted.push(tile);
  }
  runner.tiles = [...trusted, 1];
  return runner.tiles;
}
