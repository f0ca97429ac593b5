/**
 * The native accelerator's add-on: its face, and how it is found. It is optional, compiled by `npm run build:native`; one that was built from other
 * sources than those that lie here is not used.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const NATIVE = new URL('../../../native/', import.meta.url);

/** A model in the add-on's memory; freed by `dispose`, at the latest with the last reference. */
export type Session = object & { readonly __session: never };

export interface Addon {
  readonly sourceHash: string;
  /** Instruction sets that this processor has kernels for, the fastest first; `portable` is always one. */
  instructions(): string[];
  /** @param description see description.ts */
  create(description: Float64Array, instructions: string): Session;
  /** The weights' memory, zeros until it is filled. */
  image(session: Session): ArrayBuffer;
  threads(session: Session): number;
  /** One step; blocks until it is done. All numbers must have been checked: they become addresses. */
  forward(
    session: Session,
    tokens: Int32Array,
    positions: Int32Array,
    sequences: Int32Array,
    slots: Int32Array,
    tables: Int32Array,
    tableWidth: number,
    selection: Int32Array,
    logits: Float32Array,
  ): void;
  dispose(session: Session): void;
}

/** Where `npm run build:native` puts it. */
const builtPath = () => fileURLToPath(new URL(`build/inkwell-${process.platform}-${process.arch}.node`, NATIVE));

/** Whether an add-on was built here, of whichever sources. */
export function isAddonBuilt(): boolean {
  return existsSync(builtPath());
}

/** @throws Error saying why there is none to be used */
export async function loadAddon(path = builtPath()): Promise<Addon> {
  if (!existsSync(path)) throw new Error('it was not built (npm run build:native)');
  const addon = createRequire(import.meta.url)(path) as Addon;
  const { sourceHash } = (await import(new URL('source-hash.mjs', NATIVE).href)) as { sourceHash(): string };
  if (addon.sourceHash !== sourceHash()) throw new Error('it was built from other sources (npm run build:native)');
  return addon;
}
