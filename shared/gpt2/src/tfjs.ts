/** The model runtime on TensorFlow.js. Kept apart from the main entry so that processes without a model never load it. */

export type { LoadProgress } from './backends/checkpoint-reader.ts';
export type { BackendName, BackendOptions } from './backends/create-backend.ts';
export { quantizedBytes } from './backends/tfjs-wasm/quantized/sizes.ts';
export { type LoadedModel, loadModel } from './load-model.ts';
