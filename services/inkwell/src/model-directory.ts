/** Which model is served, and what the gateway must know of it without loading its weights. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EmbeddedConfig } from '@inkwell/contracts';
import { loadTokenizer, parseConfig, type Tokenizer } from '@inkwell/gpt2';

const bundled = fileURLToPath(new URL('../../../shared/gpt2/bundled/inkwell-small', import.meta.url));

export interface LocalModel {
  id: string;
  directory: string;
  contextLength: number;
  /** Unix seconds: the folder's own date would change with every clone, so it is the project's. */
  created: number;
  tokenizer: Tokenizer;
}

const projectStartSeconds = Date.UTC(2026, 10, 23) / 1000;

/** Throws an Error that names the file and what is wrong with it. */
export async function openModelDirectory(config: EmbeddedConfig): Promise<LocalModel> {
  const directory = resolve(config.INKWELL_MODEL_DIR ?? bundled);
  const { n_positions } = parseConfig(readConfig(directory));
  return {
    id: config.INKWELL_MODEL_ID ?? basename(directory),
    directory,
    contextLength: n_positions,
    created: projectStartSeconds,
    tokenizer: await loadTokenizer(directory),
  };
}

function readConfig(directory: string): unknown {
  const path = join(directory, 'config.json');
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The model cannot be read: ${why}. INKWELL_MODEL_DIR must name a folder with ${path}.`);
  }
}
