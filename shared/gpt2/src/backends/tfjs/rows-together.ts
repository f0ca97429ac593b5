/**
 * How many rows may go through an operation together. A row's bits must not depend on the rows beside it, and nobody promises that of a matrix product:
 * a library picks its inner loop by the shape. So this is tried, on the model's own weights: a number of rows is used only if each place among them gives
 * exactly what the row gives alone. One row always does, since its shapes never change.
 */
import * as tf from '@tensorflow/tfjs-core';
import { uniform } from '../../sampling/philox.ts';
import { feedForward, layerNorm, linear, type PlainWeights } from './plain-model.ts';
import { on, type Platform } from './platform.ts';

/** Tried, largest first. */
const SIZES = [16, 8, 4, 2] as const;

/** Everything of a model that sees several rows at once: its row-wise operations and one product of each shape. [n_rows, n_embd] -> [n_rows, …] */
function rowWise({ h, ln_f, lm_head, activation }: PlainWeights, x: tf.Tensor2D): tf.Tensor2D {
  const [block] = h;
  const { c_attn, c_proj } = block!.attn;
  const [queries] = tf.split<tf.Tensor2D>(linear(layerNorm(x, block!.ln_1), c_attn), 3, 1);
  const hidden = feedForward(tf.add(x, linear(queries!, c_proj)), block!, activation);
  return tf.matMul(layerNorm(hidden, ln_f), lm_head);
}

/** [rows, width] of any sign and of the size of activations; the same on every run. */
function probe(rows: number, width: number): tf.Tensor2D {
  const values = Float32Array.from({ length: rows * width }, (_, i) => 4 * uniform(BigInt(17), 0, i) - 2);
  return tf.tensor2d(values, [rows, width]);
}

const sameBits = (a: Float32Array, b: Float32Array) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

/** Reads and frees them. */
async function takeValues(parts: readonly tf.Tensor2D[]): Promise<Float32Array> {
  const values = await Promise.all(parts.map((part) => part.data<'float32'>()));
  tf.dispose([...parts]);
  const joined = new Float32Array(values.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of values) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** @returns the sizes that may be used, largest first; 1 is always the last */
export async function trustedSizes(weights: PlainWeights, platform: Platform): Promise<number[]> {
  const most = SIZES[0];
  const inPieces = (size: number) =>
    on(platform, () =>
      Array.from({ length: most / size }, (_, piece) =>
        tf.tidy(() => rowWise(weights, tf.slice(probe(most, weights.wte.shape[1]), [piece * size, 0], [size, -1]))),
      ),
    );
  const alone = await takeValues(inPieces(1));
  const trusted: number[] = [];
  for (const size of SIZES) if (sameBits(await takeValues(inPieces(size)), alone)) trusted.push(size);
  return [...trusted, 1];
}

/** Cuts `count` rows into trusted sizes, in order. */
export function cut(count: number, sizes: readonly number[]): number[] {
  const pieces: number[] = [];
  for (const size of sizes) for (; count >= size; count -= size) pieces.push(size);
  return pieces;
}
