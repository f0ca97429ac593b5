/** The model runtime on TensorFlow.js. Kept apart from the main entry so that processes without a model never load it. */
export type { TfjsWasmOptions } from './backends/tfjs-wasm/backend.ts';
export type { LoadProgress } from './backends/tfjs-wasm/checkpoint-reader.ts';
export { type LoadedModel, loadModel } from './load-model.ts';
