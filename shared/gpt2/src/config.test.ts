import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';

const GPT2 = { model_type: 'gpt2', n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024, vocab_size: 50257 };

describe('parseConfig', () => {
  it('fills in the defaults of GPT-2', () => {
    expect(parseConfig({ ...GPT2, n_inner: null, eos_token_id: 50256 })).toEqual({
      n_layer: 12,
      n_head: 12,
      n_embd: 768,
      n_inner: 3072,
      n_positions: 1024,
      vocab_size: 50257,
      activation: 'gelu_tanh',
      layer_norm_epsilon: 1e-5,
      tie_word_embeddings: true,
      scale_attn_weights: true,
      scale_attn_by_inverse_layer_idx: false,
      bos_token_id: null,
      eos_token_id: 50256,
    });
  });

  it('takes n_ctx where n_positions is missing', () => {
    const { n_positions: _, ...rest } = GPT2;
    expect(parseConfig({ ...rest, n_ctx: 256 }).n_positions).toBe(256);
  });

  it.each([
    ['n_layer', 0],
    ['n_layer', 1.5],
    ['n_embd', '768'],
    ['n_embd', undefined],
    ['n_head', 7],
    ['n_inner', -1],
    ['n_positions', Number.NaN],
    ['vocab_size', 1e12],
    ['activation_function', 'quick_gelu'],
    ['activation_function', 'toString'],
    ['layer_norm_epsilon', 0],
    ['tie_word_embeddings', 'yes'],
    ['eos_token_id', 50257],
    ['model_type', 'llama'],
    ['add_cross_attention', true],
  ])('names the field when %s is %s', (field, value) => {
    expect(() => parseConfig({ ...GPT2, [field]: value })).toThrow(`config.json: ${field} `);
  });

  it.each([[null], [[]], ['gpt2'], [12]])('refuses %j, which is no object', (json) => {
    expect(() => parseConfig(json)).toThrow('config.json: must hold a JSON object');
  });
});
