/** The part of the WebAssembly JavaScript API used here: @types/node leaves it to the DOM library, which we do not load. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
  }
  /** A module's own. */
  interface OwnMemory {
    readonly buffer: ArrayBuffer;
    /** Views of the buffer are void afterwards. */
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: { env: { memory: Memory } });
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
