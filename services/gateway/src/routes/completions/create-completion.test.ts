import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, type Script, startRig, testModel } from '../../testing/rig.ts';
import { allSse, readSse } from '../../testing/sse.ts';

let rig: Rig;
/** What the next job does. */
let script: Script;
beforeAll(async () => {
  rig = await startRig();
  await rig.serveJobs((worker) => script(worker));
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'Hello' };
const complete = (changes: object = {}, headers?: Record<string, string>) =>
  rig.json('/v1/completions', { body: { ...request, ...changes }, headers });
const stream = (changes: object = {}, headers?: Record<string, string>, signal?: AbortSignal) =>
  rig.request('/v1/completions', { body: { ...request, stream: true, ...changes }, headers, signal });

const twoWords: Script = async (worker) => {
  await worker.say('Two', { delta: ' words', finishReason: 'stop' });
  await worker.end('completed');
};

const error = { message: 'It broke.', type: 'server_error', param: null, code: 'generation_failed' } as const;

describe('POST /v1/completions', () => {
  it('answers an OpenAI completion and names the job behind it', async () => {
    script = twoWords;
    const { status, headers, body } = await complete();
    const jobId = headers.get('x-inkwell-job-id')!;
    expect(status).toBe(200);
    expect(body).toEqual({
      id: jobId.replace('job_', 'cmpl-'),
      object: 'text_completion',
      created: expect.closeTo(Date.now() / 1_000, -2),
      model: testModel,
      choices: [{ text: 'Two words', index: 0, logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    });
    expect((await rig.json(`/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'completed', priority: 'interactive' });
  });

  it('answers a result also when the job stopped at a limit or a filter', async () => {
    script = async (worker) => {
      await worker.say({ delta: 'cut', finishReason: 'content_filter' });
      await worker.end('incomplete');
    };
    expect((await complete()).body.choices[0]).toMatchObject({ text: 'cut', finish_reason: 'content_filter' });
  });

  it.each([
    ['failed', 500, 'generation_failed'],
    ['expired', 504, 'deadline_exceeded'],
    ['cancelled', 409, 'job_cancelled'],
  ] as const)('says what became of a job that %s', async (state, status, code) => {
    script = (worker) => worker.end(state, state === 'failed' ? error : null);
    const answer = await complete();
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(answer.headers.get('x-inkwell-job-id')).toMatch(/^job_/);
  });

  it.each([
    [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ stream: true, best_of: 2 }, 'best_of'],
    [{ stream: true, stream_options: { include_tea: true } }, 'stream_options.include_tea'],
    [{ stream: 'yes' }, 'stream'],
  ])('is 400 for %j', async (changes, param) => {
    const { status, body } = await complete(changes);
    expect([status, body.error.param]).toEqual([400, param]);
  });

  it('cancels its job when the client leaves, unless told otherwise', async () => {
    for (const [changes, expected] of [
      [{}, 'cancelled'],
      [{ on_disconnect: 'continue' }, 'completed'],
    ] as const) {
      const left = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      script = async (worker) => {
        started.resolve();
        await left.promise;
        await worker.say('x');
        await worker.end('completed');
      };
      const stop = new AbortController();
      const answer = rig.request('/v1/completions', { body: { ...request, ...changes }, signal: stop.signal });
      await started.promise;
      const { id } = (await rig.json('/v1/jobs?limit=1')).body.data[0]!;
      stop.abort();
      await expect(answer).rejects.toThrow();
      if (expected === 'completed') left.resolve();
      expect((await rig.ended(id)).status).toBe(expected);
      left.resolve();
    }
  });
});

describe('POST /v1/completions, streaming', () => {
  it('sends OpenAI chunks, one finish per choice, then [DONE]', async () => {
    script = async (worker) => {
      await worker.say('a', { index: 1, delta: 'b' }, '', { index: 1, delta: '', finishReason: 'length' });
      await worker.say({ delta: '!', finishReason: 'stop' });
      await worker.end('completed');
    };
    const response = await stream({ n: 2 });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const frames = await allSse(response);
    expect(frames.at(-1)!.data).toBe('[DONE]');
    const chunks = frames.slice(0, -1).map(({ data }) => JSON.parse(data));
    const id = response.headers.get('x-inkwell-job-id')!.replace('job_', 'cmpl-');
    for (const chunk of chunks) expect(chunk).toMatchObject({ id, object: 'text_completion', model: testModel });
    expect(chunks.map(({ choices: [{ index, text, finish_reason }] }) => [index, text, finish_reason])).toEqual([
      [0, 'a', null],
      [1, 'b', null],
      [1, '', 'length'],
      [0, '!', 'stop'],
    ]);
    expect(chunks[0].usage).toBeUndefined();
  });

  it('adds the usage at the end, and null before it, when asked', async () => {
    script = twoWords;
    const frames = await allSse(await stream({ stream_options: { include_usage: true } }));
    const chunks = frames.slice(0, -1).map(({ data }) => JSON.parse(data));
    expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual([null, null]);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    });
  });

  it('gives a choice its finish reason even if only the outcome knows it', async () => {
    script = async (worker) => {
      await worker.say('text');
      await worker.end('incomplete');
    };
    const frames = await allSse(await stream());
    expect(frames.map(({ data }) => data).at(-1)).toBe('[DONE]');
  });

  it.each([
    ['failed', 'generation_failed'],
    ['expired', 'deadline_exceeded'],
    ['cancelled', 'job_cancelled'],
  ] as const)('ends with the error and without [DONE] when the job %s midway', async (state, code) => {
    script = async (worker) => {
      await worker.say('half');
      await worker.end(state, state === 'failed' ? error : null);
    };
    const frames = await allSse(await stream());
    expect(frames).toHaveLength(2);
    expect(JSON.parse(frames[1]!.data).error).toMatchObject({ code });
  });

  it('frees the slot when the client leaves midway', async () => {
    const left = Promise.withResolvers<void>();
    script = async (worker) => {
      await worker.say('first');
      await left.promise;
      await worker.say('never seen');
    };
    const stop = new AbortController();
    const response = await stream({}, {}, stop.signal);
    const frames = readSse(response);
    await frames.next();
    stop.abort();
    const id = response.headers.get('x-inkwell-job-id')!;
    expect(await rig.ended(id)).toMatchObject({
      status: 'cancelled',
      result: { choices: [{ text: 'first' }] },
    });
    left.resolve();
  });
});

describe('Idempotency-Key', () => {
  const twice = async (send: () => Promise<{ status: number; headers: Headers; body: object }>) => {
    const [first, second] = [await send(), await send()];
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    expect(second.headers.get('x-inkwell-job-id')).toBe(first.headers.get('x-inkwell-job-id'));
  };

  it('replays the first answer, also when that was a failure, without running again', async () => {
    let runs = 0;
    script = async (worker) => {
      runs += 1;
      await twoWords(worker);
    };
    await twice(() => complete({}, { 'idempotency-key': 'sync-1' }));
    expect(runs).toBe(1);
    script = (worker) => worker.end('failed', error);
    const first = await complete({}, { 'idempotency-key': 'sync-2' });
    const second = await complete({}, { 'idempotency-key': 'sync-2' });
    expect([second.status, second.body, second.headers.get('idempotent-replayed')]).toEqual([500, first.body, 'true']);
    expect(second.headers.get('x-should-retry')).toBe('false');
  });

  it('is 422 with another body, and another tenant’s key is another key', async () => {
    script = twoWords;
    await complete({}, { 'idempotency-key': 'k' });
    const { status, body } = await complete({ prompt: 'Other' }, { 'idempotency-key': 'k' });
    expect([status, body.error.code, body.error.param]).toEqual([422, 'idempotency_mismatch', 'Idempotency-Key']);
    const key = await rig.addKey('bob');
    const bob = await rig.json('/v1/completions', { body: request, headers: { 'idempotency-key': 'k' }, key });
    expect([bob.status, bob.headers.get('idempotent-replayed')]).toEqual([200, null]);
  });

  it('is 409 while the first is still running, and its answer after', async () => {
    const go = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    script = async (worker) => {
      started.resolve();
      await go.promise;
      await twoWords(worker);
    };
    const first = complete({}, { 'idempotency-key': 'slow' });
    await started.promise;
    const during = await complete({}, { 'idempotency-key': 'slow' });
    expect([during.status, during.body.error.code]).toEqual([409, 'idempotency_in_progress']);
    expect(during.headers.get('retry-after')).toBe('1');
    expect(during.headers.get('x-should-retry')).toBeNull();
    go.resolve();
    await first;
    expect((await complete({}, { 'idempotency-key': 'slow' })).headers.get('idempotent-replayed')).toBe('true');
  });

  it('lets a repeat of a stream join and replay the same job', async () => {
    const go = Promise.withResolvers<void>();
    script = async (worker) => {
      await worker.say('early');
      await go.promise;
      await worker.say({ delta: ' late', finishReason: 'stop' });
      await worker.end('completed');
    };
    const headers = { 'idempotency-key': 'stream-1' };
    const first = await stream({}, headers);
    const firstFrames = readSse(first);
    await firstFrames.next();
    const joined = await stream({}, headers);
    expect(joined.headers.get('idempotent-replayed')).toBe('true');
    go.resolve();
    const whole = await allSse(joined);
    expect(whole.map(({ data }) => (data === '[DONE]' ? data : JSON.parse(data).choices[0].text))).toEqual([
      'early',
      ' late',
      '[DONE]',
    ]);
    expect(await allSse(await stream({}, headers))).toEqual(whole);
    await firstFrames.return(undefined);
  });

  it('keeps the answer for a client that left before it came', async () => {
    const go = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    script = async (worker) => {
      started.resolve();
      await go.promise;
      await twoWords(worker);
    };
    const stop = new AbortController();
    const headers = { 'idempotency-key': 'left' };
    const first = rig.request('/v1/completions', { body: request, headers, signal: stop.signal });
    await started.promise;
    const { id } = (await rig.json('/v1/jobs?limit=1')).body.data[0]!;
    stop.abort();
    await expect(first).rejects.toThrow();
    go.resolve();
    await rig.ended(id);
    await expect.poll(async () => (await complete({}, headers)).status).toBe(200);
    expect((await complete({}, headers)).headers.get('x-inkwell-job-id')).toBe(id);
  });

  it('takes up the same job after a crash between making it and answering', async () => {
    script = twoWords;
    const short = await startRig({
      config: { idempotencyClaimMs: 1, dependencyTimeoutMs: 100 },
      wrapPorts: (ports) => ({
        ...ports,
        idempotencyStore: { ...ports.idempotencyStore, finish: () => Promise.reject(new Error('crashed')) },
      }),
    });
    try {
      const send = () =>
        short.json('/v1/jobs', { body: { ...request, metadata: {} }, headers: { 'idempotency-key': 'crash' } });
      expect((await send()).status).toBe(503);
      await expect.poll(async () => (await send()).status).toBe(503);
      expect((await short.json('/v1/jobs')).body.data).toHaveLength(1);
    } finally {
      await short.close();
    }
  });

  it('is free again when the queue refused the request', async () => {
    const small = await startRig({ config: { limits: { maxQueued: 1, maxQueuedPerTenant: 1 } } });
    try {
      const send = (key: string) => small.json('/v1/jobs', { body: request, headers: { 'idempotency-key': key } });
      const { body } = await send('first');
      expect((await send('second')).status).toBe(429);
      await small.json(`/v1/jobs/${body.id}/cancel`, { method: 'POST' });
      const retried = await send('second');
      expect([retried.status, retried.headers.get('idempotent-replayed')]).toEqual([202, null]);
    } finally {
      await small.close();
    }
  });
});

describe('POST /api/llm/generate/api-key', () => {
  const generate = (body: object) => rig.json('/api/llm/generate/api-key', { body });

  it('answers the same completion with its own defaults', async () => {
    let temperature: number | undefined;
    script = async (worker) => {
      temperature = worker.spec.sampling.temperature;
      await twoWords(worker);
    };
    const { status, body } = await generate({ prompt: 'Hello' });
    expect([status, body.model, temperature]).toEqual([200, testModel, 0.7]);
    expect(body.choices[0]).toMatchObject({ text: 'Two words', finish_reason: 'stop' });
  });

  it.each([
    [{ prompt: 'x', temperature: 0.5, top_p: 0.5 }, 'top_p'],
    [{ prompt: 'x', top_p: 0.9 }, 'top_p'],
    [{ prompt: ['x'] }, 'prompt'],
    [{ prompt: 'x', stream: true }, 'stream'],
    [{ prompt: 'x', model: 'other' }, 'model'],
    [{ temperature: 1 }, 'prompt'],
  ])('refuses %j', async (body, param) => {
    const answer = await generate(body);
    expect([answer.status >= 400 && answer.status < 500, answer.body.error.param]).toEqual([true, param]);
  });

  it('takes either of temperature and top_p below 1', async () => {
    script = twoWords;
    expect((await generate({ prompt: 'x', temperature: 0.2 })).status).toBe(200);
    expect((await generate({ prompt: 'x', temperature: 1, top_p: 0.2 })).status).toBe(200);
  });
});
