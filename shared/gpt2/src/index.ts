/** GPT-2 without a runtime: configuration, tokenizer, weights on disk, sampling and the null backend. No TensorFlow.js. */
export { createNullBackend, type NullBackendOptions } from './backends/null.ts';
export { type Activation, type Gpt2Config, parseConfig } from './config.ts';
export { ModelError } from './errors.ts';
export { modelChecksums } from './model-checksums.ts';
export { type LocalModel, type ModelChoice, openModelDirectory } from './model-directory.ts';
export { modelProcessEnvironment, modelProcessFlags } from './process-flags.ts';
export { type RandomModelOptions, writeRandomModel } from './random-model.ts';
export { SafetensorsFile } from './safetensors/reader.ts';
export { type TensorToWrite, writeSafetensors } from './safetensors/writer.ts';
export type { TokenLogprob } from './sampling/logprobs.ts';
export type { ResolvedParameters, SamplingParameters } from './sampling/parameters.ts';
export type { History } from './sampling/penalties.ts';
export { uniform } from './sampling/philox.ts';
export { createSampler, type SampledToken, type Sampler } from './sampling/sampler.ts';
export { loadTokenizer } from './tokenizer/load-tokenizer.ts';
export { createTokenizer, END_OF_TEXT, type EncodeOptions, type Tokenizer } from './tokenizer/tokenizer.ts';
export { Utf8StreamDecoder } from './tokenizer/utf8-stream-decoder.ts';
