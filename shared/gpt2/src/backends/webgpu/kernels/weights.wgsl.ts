/** Weights as a kernel reads them: four inputs of one column, as floats, or as 8-bit integers with one scale per column. */
import { type Binding, reads } from './kernel.ts';

export type WeightKind = 'f32' | 'int8';

/** The tensors that hold a matrix `name` [panels, n_in / 4, 8] of vectors, or of words with scales [panels * 8]. */
export function weightBindings(name: string, kind: WeightKind): Binding[] {
  return kind === 'f32' ? [reads(name, 'vec4<f32>')] : [reads(name, 'u32'), reads('scales', 'vec4<f32>')];
}

/** `weightAt(index)`: not yet scaled. */
export function weightCode(name: string, kind: WeightKind): string {
  const value = kind === 'f32' ? `${name}[index]` : `vec4<f32>(unpack4xI8(${name}[index]))`;
  return `fn weightAt(index: u32) -> vec4<f32> { return ${value}; }`;
}
