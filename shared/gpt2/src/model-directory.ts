/** Which model is served, and what the gateway must know of it without loading its weights. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConfig } from './config.ts';
import { loadTokenizer } from './tokenizer/load-tokenizer.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

const bundled = fileURLToPath(new URL('../bundled/inkwell-small', import.meta.url));

export interface LocalModel {
  id: string;
  directory: string;
  contextLength: number;
  /** Unix seconds: the folder's own date would change with every clone, so it is the project's. */
  created: number;
  tokenizer: Tokenizer;
}

const projectStartSeconds = Date.UTC(2026, 10, 23) / 1000;

export interface ModelChoice {
  /** A GPT-2 in Hugging Face layout; default: the bundled model. */
  directory?: string;
  /** Default: the name of the folder. */
  id?: string;
}

/** Throws an Error that names the file and what is wrong with it. */
export async function openModelDirectory(choice: ModelChoice): Promise<LocalModel> {
  const directory = resolve(choice.directory ?? bundled);
  const { n_positions } = parseConfig(readConfig(directory));
  return {
    id: choice.id ?? basename(directory),
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
