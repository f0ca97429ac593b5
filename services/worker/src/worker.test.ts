import { describe, expect, it } from 'vitest';
import { Bench } from './testing/bench.ts';

describe('worker', () => {
  it('runs a job to its end: one story without a gap, record and delivery settled', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker();
    const job = await bench.submit({ spec: { maxTokens: 20 } });
    const story = await bench.story(job.key);
    console.log(story.map((e) => e.type).join(' '));
    expect(story.map((event) => event.seq)).toEqual(story.map((_, i) => i + 1));
    expect(story[1]).toMatchObject({ type: 'job.started', attempt: 1 });
    await bench.eventually(
      'the record is completed',
      async () => (await bench.store.jobStore.get(job.key))?.state === 'completed',
    );
    expect(worker.stats()).toMatchObject({ ready: true });
  });
});
