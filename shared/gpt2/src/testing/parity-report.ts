/**
 * Compares a backend with transformers in a process of its own: some backends need an environment that is set before the process starts, and none can be loaded twice.
 * Arguments: backend, most prompt tokens, tokens to draw, names of fixtures. The answer is one JSON line on stdout.
 */
import { isDeepStrictEqual } from 'node:util';
import { type BackendName, loadModel } from '../tfjs.ts';
import { maxDifference, parityFixture } from './parity-fixture.ts';
import { greedy, promptLogits } from './run-sequence.ts';

export interface ParityReport {
  model: string;
  name: string;
  device: string;
  /** Positions whose logits were compared, and their greatest difference. */
  compared: number;
  worst: number;
  drawn: number[];
  expected: number[];
  /** Whether the prompt's logits are the same bits fed at once and token by token. */
  isInvariant: boolean;
}

async function report(backendName: BackendName, most: number, count: number, model: string): Promise<ParityReport> {
  const fixture = await parityFixture(model);
  const { backend } = await loadModel(fixture.directory, { backend: backendName });
  const prompt = fixture.prompt.slice(0, most);
  const rows = await promptLogits(backend, prompt);
  const oneByOne = await promptLogits(backend, prompt.slice(0, 8), { chunk: 1 });
  const differences = [...fixture.logits].flatMap(([position, logits]) =>
    position < prompt.length ? [maxDifference(rows[position]!, logits)] : [],
  );
  const drawn = await greedy(backend, fixture.prompt, count);
  await backend.dispose();
  return {
    model,
    name: backend.info.name,
    device: backend.info.device,
    compared: differences.length,
    worst: Math.max(...differences),
    drawn,
    expected: fixture.greedy.slice(0, count),
    isInvariant: oneByOne.every((row, i) => isDeepStrictEqual(row, rows[i]!.slice())),
  };
}

const [backendName = '', most = '', count = '', ...models] = process.argv.slice(2);
const reports: ParityReport[] = [];
for (const model of models) reports.push(await report(backendName as BackendName, Number(most), Number(count), model));
process.stdout.write(`${JSON.stringify(reports)}\n`);
