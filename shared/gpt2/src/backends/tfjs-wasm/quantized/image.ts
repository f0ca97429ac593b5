/**
 * The image of a quantised model: all its weights in one run of bytes, each section at a place that follows from the
 * configuration alone, so that an image can be written to disk and read back as it is. What a matrix' sections hold:
 * `weight` [ceil(n_out / 8)][paddedDepth / 4][8][4] i8, `scales` and `bias` [ceil(n_out / 8) * 8] f32. With 4 bits the matrices of the layers hold their
 * scales among the weights: `weight` [ceil(n_out / 8)][ceil(depth / 32)][144] bytes, `scales` nothing; the embeddings keep 8 bits.
 * w4a8 has its group scales in a section of their own, as w4a8.ts
 * describes.
 */
import type { Gpt2Config } from '../../../config.ts';
import { GROUP_BYTES, GROUP_INPUTS } from './quantize-groups.ts';
import { GROUP_DEPTH } from './w4a8.ts';

/** `w4a8`, 4-bit weights for 8-bit activations, is the native backend's alone. */
export type QuantizedKind = 'int8' | 'int4' | 'w4a8';

export interface Section {
  /** Bytes from the image's start, a multiple of 64. */
  readonly offset: number;
  readonly bytes: number;
}

export interface MatrixLayout {
  /** The checkpoint's name without `.weight`. */
  readonly name: string;
  readonly depth: number;
  /** Inputs rounded up to 4, with w4a8 to 32. */
  readonly paddedDepth: number;
  readonly columns: number;
  readonly hasBias: boolean;
  /** 4-bit weights with scales for every 32 inputs, in half precision and among the weights. */
  readonly isGrouped: boolean;
  readonly weight: Section;
  readonly scales: Section;
  readonly bias: Section;
  /** w4a8 only: whole scales, one for every 32 inputs of a column. */
  readonly groupScales?: Section;
}

export interface LayerLayout {
  readonly ln_1: { readonly weight: Section; readonly bias: Section };
  readonly c_attn: MatrixLayout;
  readonly c_proj: MatrixLayout;
  readonly ln_2: { readonly weight: Section; readonly bias: Section };
  readonly c_fc: MatrixLayout;
  readonly mlp_c_proj: MatrixLayout;
}

export interface ImageLayout {
  readonly bytes: number;
  readonly wte: MatrixLayout;
  readonly wpe: Section;
  readonly h: readonly LayerLayout[];
  readonly ln_f: { readonly weight: Section; readonly bias: Section };
  /** `wte` itself where the embeddings are tied. */
  readonly lm_head: MatrixLayout;
}

/** A cache line; also keeps the vectors of a section aligned. */
const ALIGNMENT = 64;
const PANEL = 8;

const roundUp = (value: number, to: number) => Math.ceil(value / to) * to;

class Planner {
  readonly kind: QuantizedKind;
  bytes = 0;

  constructor(kind: QuantizedKind) {
    this.kind = kind;
  }

  section(bytes: number): Section {
    const offset = this.bytes;
    this.bytes = roundUp(offset + bytes, ALIGNMENT);
    return { offset, bytes };
  }

  floats(count: number): Section {
    return this.section(count * 4);
  }

  matrix(name: string, depth: number, columns: number, hasBias = true): MatrixLayout {
    const kind = this.kind !== 'int8' && !hasBias ? 'int8' : this.kind;
    const paddedDepth = roundUp(depth, kind === 'w4a8' ? GROUP_DEPTH : 4);
    const paddedColumns = roundUp(columns, PANEL);
    const size = paddedDepth * paddedColumns;
    const bytes = {
      int8: size,
      int4: (paddedColumns / PANEL) * Math.ceil(depth / GROUP_INPUTS) * GROUP_BYTES,
      w4a8: size / 2,
    };
    return {
      name,
      depth,
      paddedDepth,
      columns,
      hasBias,
      isGrouped: kind === 'int4',
      weight: this.section(bytes[kind]),
      scales: this.floats(kind === 'int4' ? 0 : paddedColumns),
      bias: this.floats(paddedColumns),
      ...(kind === 'w4a8' && { groupScales: this.section(size / GROUP_DEPTH) }),
    };
  }

  /** Has no bias. */
  embedding(name: string, depth: number, columns: number): MatrixLayout {
    return this.matrix(name, depth, columns, false);
  }

  norm(width: number): { weight: Section; bias: Section } {
    return { weight: this.floats(width), bias: this.floats(width) };
  }
}

export function imageLayout(config: Gpt2Config, kind: QuantizedKind): ImageLayout {
  const { n_layer, n_embd, n_inner, n_positions, vocab_size, tie_word_embeddings } = config;
  const planner = new Planner(kind);
  const wte = planner.embedding('wte', n_embd, vocab_size);
  const wpe = planner.floats(n_positions * n_embd);
  const h = Array.from({ length: n_layer }, (_, layer) => ({
    ln_1: planner.norm(n_embd),
    c_attn: planner.matrix(`h.${layer}.attn.c_attn`, n_embd, 3 * n_embd),
    c_proj: planner.matrix(`h.${layer}.attn.c_proj`, n_embd, n_embd),
    ln_2: planner.norm(n_embd),
    c_fc: planner.matrix(`h.${layer}.mlp.c_fc`, n_embd, n_inner),
    mlp_c_proj: planner.matrix(`h.${layer}.mlp.c_proj`, n_inner, n_embd),
  }));
  const ln_f = planner.norm(n_embd);
  const lm_head = tie_word_embeddings ? wte : planner.embedding('lm_head', n_embd, vocab_size);
  // Kernels read whole vectors, up to 12 bytes beyond a section's last value.
  planner.section(ALIGNMENT);
  return { bytes: planner.bytes, wte, wpe, h, ln_f, lm_head };
}

/** Most inputs of a matrix with group scales; 0 if there is none. */
export function groupedDepth({ h }: ImageLayout): number {
  const matrices = h.flatMap(({ c_attn, c_proj, c_fc, mlp_c_proj }) => [c_attn, c_proj, c_fc, mlp_c_proj]);
  return Math.max(0, ...matrices.filter((one) => one.isGrouped).map((one) => one.paddedDepth));
}
