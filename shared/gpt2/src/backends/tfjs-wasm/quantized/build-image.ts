/** Quantises a checkpoint into an image: reads tensor by tensor, so that only one is held as floats at a time. */
import type { CheckpointReader } from '../../checkpoint-reader.ts';
import type { ImageLayout, MatrixLayout, Section } from './image.ts';
import { conv1d, embedding, quantizeMatrix } from './quantize.ts';
import { quantizeToGroups } from './quantize-groups.ts';
import { quantizeW4 } from './w4a8.ts';

/** The image's bytes as floats. */
function floats(image: Uint8Array, { offset, bytes }: Section): Float32Array {
  return new Float32Array(image.buffer, image.byteOffset + offset, bytes / 4);
}

class ImageBuilder {
  readonly #image: Uint8Array;
  readonly #reader: CheckpointReader;

  constructor(image: Uint8Array, reader: CheckpointReader) {
    this.#image = image;
    this.#reader = reader;
  }

  async floats(name: string, section: Section): Promise<void> {
    floats(this.#image, section).set(await this.#reader.read(name));
  }

  async norm(name: string, { weight, bias }: { weight: Section; bias: Section }): Promise<void> {
    await this.floats(`${name}.weight`, weight);
    await this.floats(`${name}.bias`, bias);
  }

  async matrix(layout: MatrixLayout): Promise<void> {
    const { name, depth, columns, weight, scales, bias, hasBias, isGrouped, groupScales } = layout;
    const values = await this.#reader.read(`${name}.weight`);
    const source = hasBias ? conv1d(values, depth, columns) : embedding(values, depth, columns);
    const packed = this.#image.subarray(weight.offset, weight.offset + weight.bytes);
    if (isGrouped) quantizeToGroups(source, packed);
    else if (groupScales !== undefined) {
      const groups = this.#image.subarray(groupScales.offset, groupScales.offset + groupScales.bytes);
      quantizeW4(source, { weight: packed, scales: floats(this.#image, scales), groupScales: groups });
    } else {
      const bytes = new Int8Array(packed.buffer, packed.byteOffset, packed.length);
      quantizeMatrix(source, { weight: bytes, scales: floats(this.#image, scales) });
    }
    if (hasBias) floats(this.#image, bias).set(await this.#reader.read(`${name}.bias`));
  }
}

/**
 * @param image zeroed memory of layout.bytes
 * @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite
 */
export async function buildImage(image: Uint8Array, layout: ImageLayout, reader: CheckpointReader): Promise<void> {
  const builder = new ImageBuilder(image, reader);
  await builder.matrix(layout.wte);
  await builder.floats('wpe.weight', layout.wpe);
  for (const [index, layer] of layout.h.entries()) {
    await builder.norm(`h.${index}.ln_1`, layer.ln_1);
    await builder.matrix(layer.c_attn);
    await builder.matrix(layer.c_proj);
    await builder.norm(`h.${index}.ln_2`, layer.ln_2);
    await builder.matrix(layer.c_fc);
    await builder.matrix(layer.mlp_c_proj);
  }
  await builder.norm('ln_f', layout.ln_f);
  if (layout.lm_head !== layout.wte) await builder.matrix(layout.lm_head);
}
