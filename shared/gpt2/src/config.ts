/**
 * Parses and validates the Hugging Face `config.json` of a GPT-2 family model.
 * It guarantees that every number the runtime uses is a sane positive integer and that the activation is one the
 * kernels implement; reading the file and checking it against the weights is left to the loader.
 */
import { ModelError } from './errors.ts';

/** Activations of the feed-forward layer, reduced to the distinct functions they compute. */
export type Activation = 'gelu_tanh' | 'gelu_erf' | 'relu' | 'silu' | 'tanh';

/** Field names follow the checkpoint's own (`transformers` GPT2Config). */
export interface Gpt2Config {
  readonly n_layer: number;
  readonly n_head: number;
  readonly n_embd: number;
  /** Width of the feed-forward layer; `4 * n_embd` when the file says null. */
  readonly n_inner: number;
  /** Longest sequence the position table holds. */
  readonly n_positions: number;
  readonly vocab_size: number;
  readonly activation: Activation;
  readonly layer_norm_epsilon: number;
  readonly tie_word_embeddings: boolean;
  readonly scale_attn_weights: boolean;
  readonly scale_attn_by_inverse_layer_idx: boolean;
  readonly bos_token_id: number | null;
  readonly eos_token_id: number | null;
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu: 'gelu_erf',
  gelu_python: 'gelu_erf',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
  tanh: 'tanh',
};

const MAX_DIMENSION = 1 << 20;

type Fields = Readonly<Record<string, unknown>>;

function fail(field: string, problem: string): never {
  throw new ModelError(`config.json: ${field} ${problem}`);
}

function dimension(fields: Fields, field: string, fallback?: number): number {
  const value = fields[field] ?? fallback;
  if (value === undefined) fail(field, 'is missing');
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_DIMENSION) {
    fail(field, `must be an integer from 1 to ${MAX_DIMENSION}, got ${JSON.stringify(value)}`);
  }
  return value;
}

function flag(fields: Fields, field: string, fallback: boolean): boolean {
  const value = fields[field] ?? fallback;
  if (typeof value !== 'boolean') fail(field, `must be true or false, got ${JSON.stringify(value)}`);
  return value;
}

function tokenId(fields: Fields, field: string, vocabSize: number): number | null {
  const value = fields[field] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= vocabSize) {
    fail(field, `must be null or a token id below vocab_size ${vocabSize}, got ${JSON.stringify(value)}`);
  }
  return value;
}

function activation(fields: Fields): Activation {
  const value = fields.activation_function ?? 'gelu_new';
  const known = typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
  return (
    known ??
    fail('activation_function', `must be one of ${Object.keys(ACTIVATIONS).join(', ')}, got ${JSON.stringify(value)}`)
  );
}

function epsilon(fields: Fields): number {
  const value = fields.layer_norm_epsilon ?? 1e-5;
  if (typeof value !== 'number' || !(value > 0 && value < 1)) {
    fail('layer_norm_epsilon', `must be a number between 0 and 1, got ${JSON.stringify(value)}`);
  }
  return value;
}

/**
 * Validates a parsed `config.json`.
 * @throws ModelError naming the offending field.
 */
export function parseConfig(json: unknown): Gpt2Config {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ModelError('config.json: must hold a JSON object');
  }
  const fields = json as Fields;
  const type = fields.model_type ?? 'gpt2';
  if (type !== 'gpt2') fail('model_type', `must be "gpt2", got ${JSON.stringify(type)}`);
  if (fields.add_cross_attention === true) fail('add_cross_attention', 'is not supported: use a decoder-only model');
  const n_embd = dimension(fields, 'n_embd');
  const n_head = dimension(fields, 'n_head');
  if (n_embd % n_head !== 0) fail('n_head', `${n_head} must divide n_embd ${n_embd}`);
  const vocab_size = dimension(fields, 'vocab_size');
  const contextLength = typeof fields.n_ctx === 'number' ? fields.n_ctx : undefined;
  return {
    n_layer: dimension(fields, 'n_layer'),
    n_head,
    n_embd,
    n_inner: dimension(fields, 'n_inner', 4 * n_embd),
    n_positions: dimension(fields, 'n_positions', contextLength),
    vocab_size,
    activation: activation(fields),
    layer_norm_epsilon: epsilon(fields),
    tie_word_embeddings: flag(fields, 'tie_word_embeddings', true),
    scale_attn_weights: flag(fields, 'scale_attn_weights', true),
    scale_attn_by_inverse_layer_idx: flag(fields, 'scale_attn_by_inverse_layer_idx', false),
    bos_token_id: tokenId(fields, 'bos_token_id', vocab_size),
    eos_token_id: tokenId(fields, 'eos_token_id', vocab_size),
  };
}
