/** Jobs with banned phrases whose engine or worker dies while part of a phrase is drawn and held back: clients see what an undisturbed run shows. */
import { foldEvents, type GenerationSpec, isTerminalEvent, type JobEvent, type OutputFilter } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { Bench, bytesOf, specOf } from './testing/bench.ts';

const saying = ' The engine without a model says the same words again and again, to measure all that lies around it.';
const prompts = [bytesOf('x'.repeat(saying.length))];
/** Long, so that there is time to die in it, and complete only at its last letter. */
const phrase = 'without a model says the same words again';
const shownBefore = saying.slice(0, saying.indexOf(phrase));
const outputFilter: OutputFilter = {
  version: 'worker-test',
  phrases: [
    { rule: 'long', text: phrase, whole: true },
    // Begins at the same place and never comes true: held back, then let go.
    { rule: 'never', text: 'engine without a motor', whole: false },
  ],
  replacement: '[removed]',
};

const specs: [string, Partial<GenerationSpec>][] = [
  ['plain', {}],
  ['with logprobs', { logprobs: 1 }],
  ['with echo, logprobs and two choices', { logprobs: 0, echo: true, n: 2, bestOf: 2 }],
];

function expectWhole(spec: GenerationSpec, story: readonly JobEvent[]): void {
  const { result } = foldEvents(spec, story);
  for (const choice of result.choices) {
    expect(choice.text).toBe(`${spec.echo ? 'x'.repeat(saying.length) : ''}${shownBefore}[removed]`);
    expect(choice.finish_reason).toBe('content_filter');
  }
  const last = story.at(-1)!;
  if (!isTerminalEvent(last)) throw new Error('no end');
  expect([last.type, last.outcome.state, last.outcome.result]).toEqual(['job.incomplete', 'incomplete', result]);
  expect(story.filter((event) => event.type === 'job.delta' && event.filteredBy === 'long')).toHaveLength(spec.n);
}

describe.each(specs)('a filtered job, %s', (_, over) => {
  const spec = specOf({ prompts, maxTokens: 120, outputFilter, ...over });

  it('goes on exactly when its engine is killed in the phrase', async () => {
    await using bench = await Bench.open();
    let kills = 0;
    const { resultStream } = bench.ports;
    const append: typeof resultStream.append = async (key, fence, afterSeq, events) => {
      const answer = await resultStream.append(key, fence, afterSeq, events);
      const { enginePid } = worker.stats();
      const speaks = events.some((event) => event.type === 'job.delta' && event.finishReason === null);
      if (speaks && enginePid !== null && kills < 3) {
        kills++;
        process.kill(enginePid, 'SIGKILL');
      }
      return answer;
    };
    const worker = await bench.startWorker({
      engine: { nullPaceMs: 2 },
      ports: { resultStream: { ...resultStream, append } },
    });
    const job = await bench.submit({ spec });
    expectWhole(job.spec, await bench.story(job.key));
    expect(kills).toBeGreaterThan(0);
    const facts = await bench.factsUntilEndOf(job.key);
    const refusals = facts.filter(({ id }) => id === `audit:policy.refused:${job.key}`);
    expect(refusals.map(({ body }) => body)).toEqual([
      expect.objectContaining({ action: 'policy.refused', resource: `job/${job.id}`, reason: 'long' }),
    ]);
    expect((await bench.store.jobStore.get(job.key))!.attempts).toBeGreaterThan(1);
  });

  it('goes on exactly when its worker is stopped in the phrase and another takes over', async () => {
    await using bench = await Bench.open();
    const first = await bench.startWorker({ engine: { nullPaceMs: 2 } });
    const job = await bench.submit({ spec });
    let text = '';
    await bench.until(job.key, (event) => {
      if (event.type === 'job.delta' && event.index === 0) text += event.delta;
      return text.length > 0;
    });
    await first.stop();
    await bench.restartStore();
    await bench.startWorker({ engine: { nullPaceMs: 1 } });
    expectWhole(job.spec, await bench.story(job.key));
  });
});
