/** Every job's end is told as a fact before its delivery is settled, whoever ended it. */
import { isTerminalEvent, type JobKey, type JobState, readFact } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { Bench } from './testing/bench.ts';

async function endedOf(bench: Bench, key: JobKey) {
  const facts = (await bench.factsUntilEndOf(key)).filter(({ id }) => id === `job.ended:${key}`);
  const read = readFact(facts[0]!);
  if (typeof read === 'string' || read.kind !== 'job.ended') throw new Error('not the end of a job');
  return read.body;
}

/** Ends the job as a gateway that cancels does, up to and with the given step. */
async function cancel(bench: Bench, key: JobKey, steps: 'story' | 'record' | 'announced'): Promise<void> {
  const { jobBus, jobStore, lease, resultStream } = bench.store;
  const { fence } = await lease.seize(key, 'canceller', 200);
  const last = await resultStream.last(key);
  if (last !== undefined && isTerminalEvent(last)) throw new Error('it has ended');
  const outcome = { state: 'cancelled', result: null, error: null, finishedAt: Date.now() } as const;
  await resultStream.append(key, fence, last?.seq ?? 0, [{ type: 'job.cancelled', at: 1, outcome }]);
  if (steps === 'story') return;
  const { state, ...patch } = outcome;
  await jobStore.transition(key, ['queued', 'in_progress'], state, patch, fence);
  await lease.release(key, fence);
  if (steps === 'announced') await jobBus.announceCancel(key);
}

describe('the end of a job is told', () => {
  it.each(['story', 'record', 'announced'] as const)(
    'when its canceller died after the %s, and only once the record says so',
    async (step) => {
      await using bench = await Bench.open();
      const states: (JobState | undefined)[] = [];
      const { factLog, jobStore } = bench.ports;
      const publish: typeof factLog.publish = async (fact) => {
        states.push((await jobStore.get(fact.subject as JobKey))?.state);
        return factLog.publish(fact);
      };
      await bench.startWorker({ engine: { nullPaceMs: 20 }, ports: { factLog: { ...factLog, publish } } });
      const job = await bench.submit({ spec: { maxTokens: 200 } });
      await bench.until(job.key, (event) => event.type === 'job.delta');
      await cancel(bench, job.key, step);
      expect(await endedOf(bench, job.key)).toMatchObject({ state: 'cancelled', jobId: job.id, reason: null });
      expect(new Set(states)).toEqual(new Set(['cancelled']));
    },
  );

  it('when it waited and was cancelled before any worker came', async () => {
    await using bench = await Bench.open();
    const job = await bench.submit({});
    await cancel(bench, job.key, 'record');
    await bench.startWorker();
    expect(await endedOf(bench, job.key)).toMatchObject({ state: 'cancelled', usage: { completionTokens: 0 } });
  });

  it('when it is given up, with the reason, before its message is among the dead letters', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker({
      onSubmit: () => process.kill(worker.stats().enginePid!, 'SIGKILL'),
    });
    const job = await bench.submit({});
    expect(await endedOf(bench, job.key)).toMatchObject({ state: 'failed', reason: 'generation_failed' });
    await bench.eventually('dead letter', async () => (await bench.store.jobBus.deadLetters(1)).length === 1);
  });

  it('when its deadline passed', async () => {
    await using bench = await Bench.open();
    await bench.startWorker();
    const job = await bench.submit({ deadlineAt: Date.now() - 1 });
    expect(await endedOf(bench, job.key)).toMatchObject({ state: 'expired', reason: 'deadline_exceeded', attempts: 0 });
  });

  it('late but not lost when the log is down for a while: the delivery waits for it, the client does not', async () => {
    await using bench = await Bench.open();
    const { factLog } = bench.ports;
    let down = true;
    let tries = 0;
    const publish: typeof factLog.publish = async (fact) => {
      tries++;
      if (down) throw new Error('the log is down');
      return factLog.publish(fact);
    };
    await bench.startWorker({ ports: { factLog: { ...factLog, publish } } });
    const jobs = await Promise.all(Array.from({ length: 20 }, () => bench.submit({ spec: { maxTokens: 2 } })));
    for (const job of jobs) expect((await bench.ending(job.key)).type).toBe('job.completed');
    await bench.eventually('tried for each', () => tries >= jobs.length);
    down = false;
    for (const job of jobs) expect(await endedOf(bench, job.key)).toMatchObject({ usage: { completionTokens: 2 } });
  });
});
