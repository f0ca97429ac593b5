/**
 * The image of a quantised model: all its weights in one run of bytes, each section at a place that follows from the
 * configuration alone, so that an image can be written to disk and read back as it is. What a matrix' sections hold:
 * `weight` [ceil(n_out / 8)][paddedDepth / 4][8][4] i8, `scales` and `bias` [ceil(n_out / 8) * 8] f32.
 */
import type { Gpt2Config } from '../../../config.ts';

export interface Section {
  /** Bytes from the image's start, a multiple of 64. */
  readonly offset: number;
  readonly bytes: number;
}

export interface MatrixLayout {
  /** The checkpoint's name without `.weight`. */
  readonly name: string;
  readonly depth: number;
  /** Inputs rounded up to 4. */
  readonly paddedDepth: number;
  readonly columns: number;
  readonly hasBias: boolean;
  readonly weight: Section;
  readonly scales: Section;
  readonly bias: Section;
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
  bytes = 0;

  section(bytes: number): Section {
    const offset = this.bytes;
    this.bytes = roundUp(offset + bytes, ALIGNMENT);
    return { offset, bytes };
  }

  floats(count: number): Section {
    return this.section(count * 4);
  }

  matrix(name: string, depth: number, columns: number, hasBias = true): MatrixLayout {
    const paddedDepth = roundUp(depth, 4);
    const paddedColumns = roundUp(columns, PANEL);
    return {
      name,
      depth,
      paddedDepth,
      columns,
      hasBias,
      weight: this.section(paddedDepth * paddedColumns),
      scales: this.floats(paddedColumns),
      bias: this.floats(paddedColumns),
    };
  }

  norm(width: number): { weight: Section; bias: Section } {
    return { weight: this.floats(width), bias: this.floats(width) };
  }
}

export function imageLayout(config: Gpt2Config): ImageLayout {
  const { n_layer, n_embd, n_inner, n_positions, vocab_size, tie_word_embeddings } = config;
  const planner = new Planner();
  const wte = planner.matrix('wte', n_embd, vocab_size, false);
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
  const lm_head = tie_word_embeddings ? wte : planner.matrix('lm_head', n_embd, vocab_size, false);
  // Kernels read whole vectors, up to 12 bytes beyond a section's last value.
  planner.section(ALIGNMENT);
  return { bytes: planner.bytes, wte, wpe, h, ln_f, lm_head };
}
