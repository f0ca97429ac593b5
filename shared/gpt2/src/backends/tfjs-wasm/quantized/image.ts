/**
 * The image of a quantised model: all its weights in one run of bytes, each section at a place that follows from the
 * configuration alone, so that an image can be written to disk and read back as it is. What a matrix' sections hold:
 * `weight` [ceil(n_out / 8)][paddedDepth / 4][8][4] i8, `scales` and `bias` [ceil(n_out / 8) * 8] f32. With 4 bits the matrices of the layers hold their
 * scales among the weights: `weight` [ceil(n_out / 8)][ceil(depth / 32)][144] bytes, `scales` nothing; the embeddings keep 8 bits.
 */
import type { Gpt2Config } from '../../../config.ts';
import { GROUP_BYTES, GROUP_INPUTS } from './quantize-groups.ts';

export type QuantizedKind = 'int8' | 'int4';

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
  /** 4-bit weights with scales for every 32 inputs. */
  readonly isGrouped: boolean;
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

  matrix(name: string, depth: number, columns: number, kind: QuantizedKind): MatrixLayout {
    return this.#matrix(name, depth, columns, true, kind === 'int4');
  }

  embedding(name: string, depth: number, columns: number): MatrixLayout {
    return this.#matrix(name, depth, columns, false, false);
  }

  #matrix(name: string, depth: number, columns: number, hasBias: boolean, isGrouped: boolean): MatrixLayout {
    const paddedDepth = roundUp(depth, 4);
    const paddedColumns = roundUp(columns, PANEL);
    const groupedBytes = (paddedColumns / PANEL) * Math.ceil(depth / GROUP_INPUTS) * GROUP_BYTES;
    return {
      name,
      depth,
      paddedDepth,
      columns,
      hasBias,
      isGrouped,
      weight: this.section(isGrouped ? groupedBytes : paddedDepth * paddedColumns),
      scales: this.floats(isGrouped ? 0 : paddedColumns),
      bias: this.floats(paddedColumns),
    };
  }

  norm(width: number): { weight: Section; bias: Section } {
    return { weight: this.floats(width), bias: this.floats(width) };
  }
}

export function imageLayout(config: Gpt2Config, kind: QuantizedKind): ImageLayout {
  const { n_layer, n_embd, n_inner, n_positions, vocab_size, tie_word_embeddings } = config;
  const planner = new Planner();
  const wte = planner.embedding('wte', n_embd, vocab_size);
  const wpe = planner.floats(n_positions * n_embd);
  const h = Array.from({ length: n_layer }, (_, layer) => ({
    ln_1: planner.norm(n_embd),
    c_attn: planner.matrix(`h.${layer}.attn.c_attn`, n_embd, 3 * n_embd, kind),
    c_proj: planner.matrix(`h.${layer}.attn.c_proj`, n_embd, n_embd, kind),
    ln_2: planner.norm(n_embd),
    c_fc: planner.matrix(`h.${layer}.mlp.c_fc`, n_embd, n_inner, kind),
    mlp_c_proj: planner.matrix(`h.${layer}.mlp.c_proj`, n_inner, n_embd, kind),
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
