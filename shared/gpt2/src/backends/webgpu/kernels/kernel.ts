/**
 * What a compute kernel of ours is: WGSL made for one shape, the tensors it binds, and how many workgroups some rows take. Every kernel's first tensor is
 * `batch` [1 + n_rows, 4] of whole numbers: first the number of rows and the number of logits, then of each row its token, position, slot in the KV cache
 * (block * blockSize + offset) and where its block table begins in `tables`.
 */

export interface Binding {
  readonly name: string;
  /** Of an element, in WGSL. */
  readonly type: 'f32' | 'i32' | 'u32' | 'vec4<f32>' | 'vec4<i32>';
  /** Written tensors come back changed; the kernel has no other output. */
  readonly access: 'read' | 'read_write';
}

export interface ComputeKernel<Shape extends object> {
  /** As TensorFlow.js's engine knows it. */
  readonly name: string;
  bindings(shape: Shape): readonly Binding[];
  /** WGSL without the declarations of its bindings; the entry point is `main`. */
  code(shape: Shape, rowsPerGroup: number): string;
  /** Workgroups in x and y. */
  groups(shape: Shape, rows: number, rowsPerGroup: number): readonly [number, number];
}

export const BATCH: Binding = { name: 'batch', type: 'vec4<i32>', access: 'read' };

export const reads = (name: string, type: Binding['type']): Binding => ({ name, type, access: 'read' });
export const writes = (name: string, type: Binding['type']): Binding => ({ name, type, access: 'read_write' });

/** Constants of a shape, each a u32. */
export function constants(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `const ${name} = ${value}u;`)
    .join('\n');
}

/** A number as WGSL writes a float. */
export function float(value: number): string {
  const text = Math.fround(value).toString();
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** The whole module. */
export function moduleOf<Shape extends object>(
  kernel: ComputeKernel<Shape>,
  shape: Shape,
  rowsPerGroup: number,
): string {
  const declarations = kernel
    .bindings(shape)
    .map(({ name, type, access }, i) => `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>;`);
  return [...declarations, kernel.code(shape, rowsPerGroup)].join('\n');
}
