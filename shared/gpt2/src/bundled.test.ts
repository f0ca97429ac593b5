/** The model that ships in the repository: it loads from half precision, writes the same text every time, and has learnt. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LoadedModel, loadModel } from './load-model.ts';
import { SafetensorsFile } from './safetensors/reader.ts';
import { logSumExp } from './sampling/logprobs.ts';
import { greedy, promptLogits } from './testing/run-sequence.ts';

const DIRECTORY = fileURLToPath(new URL('../bundled/inkwell-small', import.meta.url));
const SENTENCE = '"I do not know," said the old man, and he went into the house with his wife.';

let model: LoadedModel;
beforeAll(async () => {
  model = await loadModel(DIRECTORY, { threads: 2 });
});
afterAll(() => model.backend.dispose());

it('is stored in half precision', async () => {
  await using file = await SafetensorsFile.open(`${DIRECTORY}/model.safetensors`);
  for (const entry of file.entries) expect(entry.dtype, entry.name).toBe('F16');
});

it('writes the same greedy text on every load and any number of threads', async () => {
  const prompt = model.tokenizer.encode('The old man looked at the sea and');
  const text = model.tokenizer.decode(await greedy(model.backend, prompt, 40));
  expect(text.trim()).not.toBe('');
  const other = await loadModel(DIRECTORY, { threads: 1 });
  expect(other.tokenizer.decode(await greedy(other.backend, prompt, 40))).toBe(text);
  await other.backend.dispose();
});

it('finds English far likelier than chance', async () => {
  const ids = model.tokenizer.encode(SENTENCE);
  const rows = await promptLogits(model.backend, ids);
  const losses = ids.slice(1).map((id, i) => logSumExp(rows[i]!) - rows[i]![id]!);
  const bitsPerCharacter = losses.reduce((sum, loss) => sum + loss, 0) / Math.LN2 / SENTENCE.length;
  // A uniform guess among 6,144 tokens costs about 4 bits per character.
  expect(bitsPerCharacter).toBeLessThan(2.5);
});
