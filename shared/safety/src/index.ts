export type { ContentPolicy, PolicyRule } from './compile-policy.ts';
export { compilePolicy, PolicyError } from './compile-policy.ts';
export { findBanned, PhraseFilter } from './output/phrase-filter.ts';
export type { PolicyEvents, PolicySource } from './policy-source.ts';
export { openPolicy, readDefaultPolicy } from './policy-source.ts';
