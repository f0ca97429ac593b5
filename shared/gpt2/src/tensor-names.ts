/**
 * Every tensor of a GPT-2 checkpoint with the shape its configuration implies, under the checkpoint's own names. The
 * loader and the random-model writer both follow this one list.
 */
import type { Gpt2Config } from './config.ts';

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Tensors of transformer block `layer`. Linear weights are [n_in, n_out] (the checkpoint's Conv1D layout). */
function layerTensors(config: Gpt2Config, layer: number): TensorSpec[] {
  const { n_embd, n_inner } = config;
  return [
    { name: 'ln_1.weight', shape: [n_embd] },
    { name: 'ln_1.bias', shape: [n_embd] },
    { name: 'attn.c_attn.weight', shape: [n_embd, 3 * n_embd] },
    { name: 'attn.c_attn.bias', shape: [3 * n_embd] },
    { name: 'attn.c_proj.weight', shape: [n_embd, n_embd] },
    { name: 'attn.c_proj.bias', shape: [n_embd] },
    { name: 'ln_2.weight', shape: [n_embd] },
    { name: 'ln_2.bias', shape: [n_embd] },
    { name: 'mlp.c_fc.weight', shape: [n_embd, n_inner] },
    { name: 'mlp.c_fc.bias', shape: [n_inner] },
    { name: 'mlp.c_proj.weight', shape: [n_inner, n_embd] },
    { name: 'mlp.c_proj.bias', shape: [n_embd] },
  ].map(({ name, shape }) => ({ name: `h.${layer}.${name}`, shape }));
}

/** All tensors of the model, in file order. `lm_head.weight` only where it is not tied to `wte.weight`. */
export function modelTensors(config: Gpt2Config): TensorSpec[] {
  const { n_layer, n_embd, n_positions, vocab_size, tie_word_embeddings } = config;
  return [
    { name: 'wte.weight', shape: [vocab_size, n_embd] },
    { name: 'wpe.weight', shape: [n_positions, n_embd] },
    ...Array.from({ length: n_layer }, (_, layer) => layerTensors(config, layer)).flat(),
    { name: 'ln_f.weight', shape: [n_embd] },
    { name: 'ln_f.bias', shape: [n_embd] },
    ...(tie_word_embeddings ? [] : [{ name: 'lm_head.weight', shape: [vocab_size, n_embd] }]),
  ];
}
