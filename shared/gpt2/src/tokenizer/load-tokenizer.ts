/** Reads the tokenizer of a model directory in Hugging Face's layout. Needs no model runtime. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

async function readText(directory: string, name: string): Promise<string> {
  try {
    return await readFile(join(directory, name), 'utf8');
  } catch (error) {
    throw new ModelError(`${name}: cannot be read from the model directory ${directory}`, { cause: error });
  }
}

/** @throws ModelError if `vocab.json` or `merges.txt` is missing or malformed */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const [vocabulary, merges] = await Promise.all([
    readText(directory, 'vocab.json'),
    readText(directory, 'merges.txt'),
  ]);
  return createTokenizer(vocabulary, merges);
}
