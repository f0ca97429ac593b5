/** Of a job that has ended nothing stays: without a full collection, however long the engine has been at work. */
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { createNullBackend, loadTokenizer } from '@inkwell/gpt2';
import { expect, it } from 'vitest';
import { Engine } from './engine.ts';

setFlagsFromString('--expose-gc');
// What V8 learns of so hurried a test would have new objects begin among the old ones, and the old keep others alive.
setFlagsFromString('--no-allocation-site-pretenuring');
const collect = runInNewContext('gc') as (options: { type: 'major' | 'minor' }) => void;

const oldBytes = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;

const gpt2 = fileURLToPath(new URL('../../gpt2/test-data/gpt2-vocab', import.meta.url));
const contextLength = 1024;
const rounds = 400;
const together = 8;

/** About 16 kB each, like what comes over a channel. */
const text = JSON.stringify({
  model: 'm',
  prompts: [new Array(1000).fill(7)],
  maxTokens: 2,
  n: 1,
  bestOf: 1,
  stop: [],
  logprobs: null,
  echo: false,
  ignoreEos: true,
  sampling: neutralSampling,
} satisfies GenerationSpec);

it('leaves nothing of its jobs behind', async () => {
  const tokenizer = await loadTokenizer(gpt2);
  const backend = createNullBackend({ vocabSize: tokenizer.vocabSize, contextLength, cycle: [1, 2, 3] });
  const engine = new Engine(backend, tokenizer);
  let jobs = 0;
  const round = async () => {
    for (let i = 0; i < together; i++) engine.add(`${jobs++}`, JSON.parse(text));
    while (!engine.idle) await engine.step();
  };
  // Some are under way while its tables come to be among the old objects.
  for (let i = 0; i < together; i++) engine.add(`${jobs++}`, JSON.parse(text));
  collect({ type: 'major' });
  collect({ type: 'major' });
  const before = oldBytes();
  let most = 0;
  for (let done = 0; done < rounds; done++) {
    await round();
    if (done % 20 > 0) continue;
    collect({ type: 'minor' });
    most = Math.max(most, oldBytes() - before);
  }
  expect(most).toBeLessThan(8_000_000);
});
