/** Writes a safetensors file tensor by tensor: used to make random models for tests and benchmarks. */
import { open } from 'node:fs/promises';
import { fromFloat32 } from './float-conversion.ts';
import type { FloatType } from './header.ts';

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Called once, when the tensor's turn to be written comes. */
  values(): Float32Array;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function header(tensors: readonly TensorToWrite[], dtype: FloatType): Uint8Array {
  let offset = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = offset;
    offset += elementCount(shape) * (dtype === 'F32' ? 4 : 2);
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  // Padding with spaces to a multiple of 8 aligns the data, as the reference writer does.
  return new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
}

/** @throws RangeError if a tensor yields another number of values than its shape says */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  dtype: FloatType,
): Promise<void> {
  const json = header(tensors, dtype);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  await using file = await open(path, 'w');
  await file.writeFile(length);
  await file.writeFile(json);
  for (const tensor of tensors) {
    const values = tensor.values();
    if (values.length !== elementCount(tensor.shape)) {
      throw new RangeError(
        `tensor ${tensor.name} has ${values.length} values, its shape [${tensor.shape}] needs another number`,
      );
    }
    await file.writeFile(fromFloat32(values, dtype));
  }
}
