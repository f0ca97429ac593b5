/**
 * Compiles the kernels. WebAssembly's vectors are 128 bits wide; V8 can join pairs of them to 256 bits on x86-64 with AVX2, which
 * nearly doubles the speed of integer products, but only behind an experimental flag. Joining changes no bit of any result: each
 * lane does the same operation. So the flag is on while our module, and nothing else, is compiled; the result is used only in
 * versions of V8 it was tried in, and only if a self-test finds every byte equal to what the ordinary module computes.
 */
import { setFlagsFromString } from 'node:v8';
import { kernelsAgree } from './self-test.ts';

export interface CompiledKernels {
  readonly module: WebAssembly.Module;
  /** Bits of a vector the compiler may use. */
  readonly vectorBits: 128 | 256;
}

/** V8 of Node 24. */
const TRIED_VERSION = '13.6.';

/** While they are set, everything is compiled at once by the optimising compiler, with joined vectors. */
const WIDE_FLAGS = [
  ['--experimental-wasm-revectorize', '--no-experimental-wasm-revectorize'],
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
] as const;

/** An empty custom section: V8 gives the same module for the same bytes, whatever the flags. */
const DISTINCTION = [0, 5, 4, ...Buffer.from('wide')];

function compileWide(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  for (const [on] of WIDE_FLAGS) setFlagsFromString(on);
  try {
    return new WebAssembly.Module(new Uint8Array([...bytes, ...DISTINCTION]));
  } finally {
    for (const [, off] of WIDE_FLAGS) setFlagsFromString(off);
  }
}

/** @param allowWide false to stay with 128 bits */
export function compileKernels(bytes: Uint8Array<ArrayBuffer>, allowWide: boolean): CompiledKernels {
  const module = new WebAssembly.Module(bytes);
  const { arch, versions } = process;
  if (!allowWide || arch !== 'x64' || !versions.v8.startsWith(TRIED_VERSION)) return { module, vectorBits: 128 };
  const wide = compileWide(bytes);
  return kernelsAgree(module, wide) ? { module: wide, vectorBits: 256 } : { module, vectorBits: 128 };
}
