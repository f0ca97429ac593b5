/** The committed text that the bundled model never saw in training (made by infra/training/held_out_text.py). */
import { readFile } from 'node:fs/promises';
import { END_OF_TEXT, type Tokenizer } from '../tokenizer/tokenizer.ts';

const FILE = new URL('../../test-data/held-out.txt', import.meta.url);

/** Its documents as token ids, each after the end-of-text token that stands before a document in training. */
export async function heldOutDocuments(tokenizer: Tokenizer): Promise<number[][]> {
  const documents = (await readFile(FILE, 'utf8')).split(END_OF_TEXT);
  return documents.map((text) => tokenizer.encode(END_OF_TEXT + text, { allowSpecial: true }));
}
