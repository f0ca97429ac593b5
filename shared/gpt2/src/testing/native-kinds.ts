/** What the native accelerator's instruction sets are compared on: every kind of product there is. */
export const NATIVE_KINDS = [
  { quantization: 'int8', kvCache: 'int8' },
  { quantization: 'int8', kvCache: 'int4' },
  { quantization: 'w4a8', kvCache: 'int8' },
] as const;
