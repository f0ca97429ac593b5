/** Describes a quantised model to the add-on: numbers in the order in which native/session.cpp reads them. Offsets are bytes from the image's start. */
import type { Gpt2Config } from '../../config.ts';
import { ACTIVATION_CODES } from '../tfjs-wasm/kernels.ts';
import type { ImageLayout, LayerLayout, MatrixLayout } from '../tfjs-wasm/quantized/image.ts';
import { scoreScale } from '../tfjs-wasm/quantized/plan.ts';
import type { KvBits } from '../tfjs-wasm/quantized/sizes.ts';

export interface DescriptionInput {
  readonly config: Gpt2Config;
  readonly layout: ImageLayout;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly threads: number;
  /** Bits of a key's or a value's integer. */
  readonly kvBits: KvBits;
}

function matrix({ depth, paddedDepth, columns, weight, scales, bias, groupScales }: MatrixLayout): number[] {
  const places = [weight, scales, bias, groupScales ?? weight].map(({ offset }) => offset);
  return [groupScales === undefined ? 0 : 1, depth, paddedDepth, columns, ...places];
}

function layerNumbers({ ln_1, c_attn, c_proj, ln_2, c_fc, mlp_c_proj }: LayerLayout, scale: number): number[] {
  return [
    ...[ln_1.weight.offset, ln_1.bias.offset, ...matrix(c_attn), ...matrix(c_proj)],
    ...[ln_2.weight.offset, ln_2.bias.offset, ...matrix(c_fc), ...matrix(mlp_c_proj), scale],
  ];
}

export function describeModel(input: DescriptionInput): Float64Array {
  const { config, layout, blockSize, blockCount, threads, kvBits } = input;
  const { n_layer, n_embd, n_head, n_inner, activation, layer_norm_epsilon } = config;
  return Float64Array.from([
    ...[layout.bytes, blockCount, threads],
    ...[n_layer, n_embd, n_head, n_inner, ACTIVATION_CODES[activation], layer_norm_epsilon, blockSize, kvBits],
    ...[...matrix(layout.wte), layout.wpe.offset, layout.ln_f.weight.offset, layout.ln_f.bias.offset],
    ...matrix(layout.lm_head),
    ...layout.h.flatMap((layer, index) => layerNumbers(layer, scoreScale(config, index))),
  ]);
}
