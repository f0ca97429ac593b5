/** Loads a whole model from a directory in Hugging Face's layout: configuration, tokenizer, weights, runtime. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelBackend } from '@inkwell/ports';
import { type BackendOptions, createBackend } from './backends/create-backend.ts';
import { type Gpt2Config, parseConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { SafetensorsFile } from './safetensors/reader.ts';
import { loadTokenizer } from './tokenizer/load-tokenizer.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface LoadedModel {
  readonly config: Gpt2Config;
  readonly tokenizer: Tokenizer;
  readonly backend: ModelBackend;
}

async function loadConfig(directory: string): Promise<Gpt2Config> {
  const path = join(directory, 'config.json');
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new ModelError(`config.json: cannot be read from the model directory ${directory}`, { cause: error });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`config.json: not valid JSON (${(error as Error).message})`);
  }
  return parseConfig(json);
}

/**
 * Collects its garbage where the process has `--expose-gc`.
 * @throws ModelError naming the file, field or tensor that is wrong
 */
export async function loadModel(directory: string, options: BackendOptions = {}): Promise<LoadedModel> {
  const config = await loadConfig(directory);
  const tokenizer = await loadTokenizer(directory);
  if (tokenizer.vocabSize > config.vocab_size) {
    throw new ModelError(
      `vocab.json: has ids up to ${tokenizer.vocabSize - 1}, config.json says vocab_size ${config.vocab_size}`,
    );
  }
  await using file = await SafetensorsFile.open(join(directory, 'model.safetensors'));
  const backend = await createBackend(file, config, options);
  // What loading leaves behind would stay for hours: steps leave too little for V8 to look again. Only a collection in earnest gives pages back.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  return { config, tokenizer, backend };
}
