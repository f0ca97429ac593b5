import {
  type DeltaEvent,
  foldEvents,
  isTerminalEvent,
  type JobEvent,
  type JobKey,
  type JobRecord,
  readFact,
  toJobMessage,
} from '@inkwell/contracts';
import { TextStream } from '@inkwell/engine';
import { loadTokenizer } from '@inkwell/gpt2';
import type { Limit } from '@inkwell/ports';
import { describe, expect, it } from 'vitest';
import { Bench, bytesOf, specOf } from './testing/bench.ts';
import { crashingPorts, type PortCall } from './testing/crashing-ports.ts';

const isDelta = (event: JobEvent): boolean => event.type === 'job.delta';

/** All that a client sees of the text. */
function shown(job: JobRecord, story: readonly JobEvent[]) {
  return foldEvents(job.spec, story);
}

function kill(pid: number | null): void {
  if (pid === null) throw new Error('there is no engine');
  process.kill(pid, 'SIGKILL');
}

/** Favours letters, a space and the two bytes of é, so that texts have characters in halves and stop strings across tokens. */
const letters = { logitBias: Object.fromEntries([...bytesOf('abé ')].map((byte) => [`${byte}`, 12])) };
const rich = specOf({
  n: 2,
  maxTokens: 14,
  prompts: [bytesOf('Tell me: ')],
  stop: ['ab é', 'bb\u00e9'],
  logprobs: 2,
  echo: true,
  sampling: { ...specOf().sampling, ...letters, temperature: 1.2, frequencyPenalty: 0.2 },
});

describe('a worker that continues', () => {
  it('goes on exactly from every token position of an earlier attempt: text, logprobs, stops and usage', async () => {
    await using bench = await Bench.open();
    await bench.startWorker({ engine: { backend: 'wasm' } });
    const tokenizer = await loadTokenizer(bench.directory);
    const whole = await bench.submit({ spec: rich });
    const expected = shown(whole, await bench.story(whole.key));
    const longest = Math.max(...expected.tokens.map((tokens) => tokens.length));
    const resumed: JobRecord[] = [];
    for (let cut = 0; cut <= longest; cut++) {
      const job = await bench.accept({ spec: rich });
      await writeAttempt(bench, job, prefix(expected, tokenizer, cut));
      await bench.store.jobBus.publish(toJobMessage(job));
      resumed.push(job);
    }
    for (const job of resumed) {
      const story = await bench.story(job.key);
      expect(shown(job, story)).toEqual(expected);
      expect(story.map((event) => event.seq)).toEqual(story.map((_, i) => i + 1));
    }
  });

  /** What a worker would have written after `cut` tokens of each choice. */
  function prefix(
    expected: ReturnType<typeof shown>,
    tokenizer: Awaited<ReturnType<typeof loadTokenizer>>,
    cut: number,
  ): DeltaEvent[] {
    const echo = rich.prompts[0]!;
    return expected.tokens.flatMap((tokens, index) => {
      const text = new TextStream(tokenizer, { stop: rich.stop, endToken: null, maxTokens: rich.maxTokens, echo });
      const taken = tokens.slice(0, cut);
      const shownTexts = taken.map((token) => text.push(token));
      if (taken.length === 0) return [];
      const block = expected.result.choices[index]!.logprobs!;
      const count = echo.length + taken.length;
      const event: DeltaEvent = {
        type: 'job.delta',
        seq: 0,
        at: 0,
        index,
        delta: shownTexts.map((one) => one.delta).join(''),
        tokens: taken,
        logprobs: {
          tokens: block.tokens.slice(0, count),
          token_logprobs: block.token_logprobs.slice(0, count),
          top_logprobs: block.top_logprobs!.slice(0, count),
          text_offset: block.text_offset.slice(0, count),
        },
        finishReason: shownTexts.at(-1)!.finishReason,
      };
      return [event];
    });
  }

  async function writeAttempt(bench: Bench, job: JobRecord, deltas: DeltaEvent[]): Promise<void> {
    const { lease, jobStore, resultStream } = bench.store;
    // Held until all is written: a worker that looks for lapsed leases would take the job from under us.
    const taken = await lease.acquire(job.key, 'dead', 60_000);
    if (taken === 'held') throw new Error('held');
    await jobStore.transition(job.key, ['queued'], 'in_progress', { attempts: 1, startedAt: 1 }, taken.fence);
    const events = [{ type: 'job.started' as const, at: 1, attempt: 1, worker: 'dead' }, ...deltas];
    expect(await resultStream.append(job.key, taken.fence, 1, events)).toBe('ok');
    await lease.release(job.key, taken.fence);
  }
});

describe('an engine that is killed', () => {
  it('in the middle of streams: the next one continues each of them to the same text, and clients notice nothing', async () => {
    await using bench = await Bench.open(128);
    let deltasToKill = Number.POSITIVE_INFINITY;
    const killed = new Set<number | null>();
    const { resultStream } = bench.ports;
    const append: typeof resultStream.append = (key, fence, afterSeq, events) => {
      const { ready, enginePid } = worker.stats();
      // Text of an engine that was just killed is still being written: what counts is the text of one that lives.
      const living = ready && !killed.has(enginePid);
      if (living && events.some((event) => event.type === 'job.delta') && --deltasToKill === 0) {
        kill(enginePid);
        killed.add(enginePid);
        deltasToKill = killed.size < 2 ? 4 : Number.POSITIVE_INFINITY;
      }
      return resultStream.append(key, fence, afterSeq, events);
    };
    const worker = await bench.startWorker({
      engine: { backend: 'wasm' },
      ports: { resultStream: { ...resultStream, append } },
    });
    const spec = { ...rich, stop: [], maxTokens: 200, n: 1, bestOf: 1, echo: false };
    const specs = [1, 2, 3].map((seed) => ({ ...spec, sampling: { ...spec.sampling, seed } }));
    const undisturbed = await Promise.all(specs.map((one) => bench.submit({ spec: one })));
    const expected = await Promise.all(undisturbed.map(async (job) => shown(job, await bench.story(job.key))));
    deltasToKill = 7;
    const jobs = await Promise.all(specs.map((one) => bench.submit({ spec: one })));
    for (const [i, job] of jobs.entries()) {
      const story = await bench.story(job.key);
      expect(shown(job, story)).toEqual(expected[i]);
      expect(story.filter(isTerminalEvent)).toHaveLength(1);
      expect(story.map((event) => event.seq)).toEqual(story.map((_, k) => k + 1));
    }
    expect(killed.size).toBe(2);
    const attempts = await Promise.all(jobs.map(async (job) => (await bench.store.jobStore.get(job.key))!.attempts));
    expect(Math.max(...attempts)).toBe(3);
  });

  it('again and again by one job: that job ends in the dead letters, the others finish, the worker lives', async () => {
    await using bench = await Bench.open();
    let poison = '';
    let crashes = 0;
    const worker = await bench.startWorker({
      engine: { nullPaceMs: 5 },
      onSubmit: (key) => {
        if (key !== poison) return;
        crashes++;
        kill(worker.stats().enginePid);
      },
    });
    const innocents = await Promise.all(Array.from({ length: 5 }, () => bench.submit({ spec: { maxTokens: 30 } })));
    const bad = await bench.accept({ tenant: 'mallory' });
    poison = bad.key;
    await bench.store.jobBus.publish(toJobMessage(bad));
    innocents.push(...(await Promise.all(Array.from({ length: 5 }, () => bench.submit({ spec: { maxTokens: 30 } })))));
    const end = await bench.ending(bad.key);
    expect(end.outcome).toMatchObject({ state: 'failed', error: { code: 'generation_failed' }, result: null });
    expect(crashes).toBe(3);
    for (const job of innocents) expect((await bench.ending(job.key)).type).toBe('job.completed');
    await bench.eventually('one dead letter', async () => (await bench.store.jobBus.deadLetters(9)).length > 0);
    expect((await bench.store.jobBus.deadLetters(9)).map((letter) => letter.message.key)).toEqual([bad.key]);
    expect(worker.stats().ready).toBe(true);
  });

  it('because it hangs: it is killed, and its jobs go on in the next', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker({ engine: { nullPaceMs: 5 }, limits: { engineHangTimeoutMs: 400 } });
    const job = await bench.submit({ spec: { maxTokens: 100 } });
    await bench.until(job.key, isDelta);
    const hung = worker.stats().enginePid!;
    process.kill(hung, 'SIGSTOP');
    const end = await bench.ending(job.key);
    expect(end.outcome.result?.usage.completion_tokens).toBe(100);
    expect(worker.stats().enginePid).not.toBe(hung);
  });
});

describe('a worker that dies', () => {
  const after = (name: string, matches: (call: PortCall) => boolean = () => true, what = '') =>
    [
      `after ${name}${what}`,
      (call: PortCall, moment: string) => moment === 'after' && call.name === name && matches(call),
    ] as const;
  const before = (name: string) =>
    [`before ${name}`, (call: PortCall, moment: string) => moment === 'before' && call.name === name] as const;
  const holds = (type: RegExp) => (call: PortCall) =>
    (call.arguments[3] as { type: string }[]).some((event) => type.test(event.type));
  const limit: Limit = { name: 'key:1:tokens', unit: 'tokens', window: 'month', amount: 1_000_000 };
  /** How the job came to the worker that dies: new, with tokens reserved, or left behind by another. */
  const windows = [
    ['new', ...after('begin')],
    ['new', ...after('append', holds(/delta/), ' of the first text')],
    ['new', ...before('finish')],
    ['new', ...after('finish')],
    ['new', ...before('publish')],
    ['new', ...after('publish', () => true, ' of the end as a fact')],
    ['new', ...before('ack')],
    ['new', ...after('ack')],
    ['reserved', ...after('append', holds(/completed/), ' of the end')],
    ['reserved', ...after('transition', (call) => call.arguments[2] === 'completed', ' of the end')],
    ['left behind', ...after('begin')],
    ['left behind', ...before('transition')],
    ['left behind', ...after('append', holds(/started/), ' of the start')],
  ] as const;

  it.each(windows)('%s, %s: the next worker repairs it, with one end and the same text', async (how, _, dies) => {
    await using bench = await Bench.open();
    const spec = { maxTokens: 10, n: 2 };
    const { ports, crashed } = crashingPorts(bench.ports, dies);
    const dying = await bench.startWorker({ ports });
    const job = await bench.accept({ spec, ...(how === 'reserved' && { limit }) });
    if (how === 'left behind') {
      await bench.store.jobSteps.begin(job.key, 'dead', 60_000, { at: Date.now(), worker: 'dead' });
      await bench.store.lease.release(job.key, 1);
    }
    await bench.store.jobBus.publish(toJobMessage(job));
    await crashed;
    await dying.stop();
    await bench.restartStore();
    await bench.startWorker();
    const story = await bench.story(job.key);
    expect(story.map((event) => event.seq)).toEqual(story.map((__, i) => i + 1));
    expect(story.filter(isTerminalEvent)).toHaveLength(1);
    const last = story.at(-1)!;
    if (!isTerminalEvent(last)) throw new Error('no terminal event');
    expect(last.outcome.result).toEqual(shown(job, story).result);
    const twin = await bench.submit({ spec });
    expect(shown(twin, await bench.story(twin.key))).toEqual(shown(job, story));
    await bench.eventually(
      'the record follows',
      async () => (await bench.store.jobStore.get(job.key))?.state === 'completed',
    );
    expect((await bench.store.jobStore.get(job.key))?.result).toEqual(last.outcome.result);
    await expectToldOnce(bench, job.key, twin.key);
  });

  /** However often the end was told, it is one fact: the same id, the same body, the tokens that were produced. */
  async function expectToldOnce(bench: Bench, key: JobKey, later: JobKey): Promise<void> {
    const facts = (await bench.factsUntilEndOf(later)).filter(({ id }) => id === `job.ended:${key}`);
    expect(facts.length).toBeGreaterThan(0);
    for (const fact of facts) expect(fact).toEqual(facts[0]);
    expect(readFact(facts[0]!)).toMatchObject({
      body: { key, state: 'completed', keyId: 'key_test', usage: { promptTokens: 16, completionTokens: 20 } },
    });
  }

  it('ten times in a row with the same job and nothing to show for it: the job is given up', async () => {
    await using bench = await Bench.open();
    const job = await bench.submit({});
    const { lease, jobStore, resultStream } = bench.store;
    for (let attempt = 1; attempt <= 10; attempt++) {
      const taken = await lease.acquire(job.key, `dead${attempt}`, 0);
      if (taken === 'held') throw new Error('held');
      await jobStore.transition(job.key, ['queued', 'in_progress'], 'in_progress', { attempts: attempt }, taken.fence);
      const started = { type: 'job.started' as const, at: attempt, attempt, worker: `dead${attempt}` };
      expect(await resultStream.append(job.key, taken.fence, attempt, [started])).toBe('ok');
    }
    await bench.startWorker();
    expect((await bench.ending(job.key)).outcome).toMatchObject({
      state: 'failed',
      error: { code: 'generation_failed' },
    });
    await bench.eventually('one dead letter', async () => (await bench.store.jobBus.deadLetters(1)).length === 1);
  });
});
