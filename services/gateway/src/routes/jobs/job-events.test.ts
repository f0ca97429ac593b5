import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';
import { allSse, readSse, type SseFrame } from '../../testing/sse.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ config: { heartbeatMs: 50 } });
});
afterAll(() => rig.close());

const create = async (changes: object = {}) =>
  (await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'Hello', ...changes } })).body.id;
const open = (id: string, query = '', headers?: Record<string, string>, signal?: AbortSignal) =>
  rig.request(`/v1/jobs/${id}/events${query}`, { headers, signal });

async function finishedJob(): Promise<string> {
  const id = await create({ n: 2 });
  const worker = await rig.startWorker(id);
  await worker.say('Once', { index: 1, delta: 'Twice\n\nid: 9\n' }, ' upon', {
    index: 1,
    delta: '',
    finishReason: 'stop',
  });
  await worker.say({ delta: ' é😀', finishReason: 'length' });
  await worker.end('completed');
  return id;
}

describe('GET /v1/jobs/{id}/events', () => {
  it('tells the story in numbered frames and ends with the whole job', async () => {
    const id = await finishedJob();
    const response = await open(id);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const frames = await allSse(response);
    expect(frames.map((frame) => frame.id)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    const events = frames.map(({ data }) => JSON.parse(data));
    for (const [i, event] of events.entries()) {
      expect(event).toMatchObject({ type: frames[i]!.event, sequence_number: i + 1, job_id: id });
      expect(event.created_at).toBeCloseTo(Date.now() / 1_000, -2);
      expect(event.tokens).toBeUndefined();
    }
    expect(events[1]).toMatchObject({ attempt: 1, worker: 'scripted' });
    const text = (index: number) =>
      events
        .filter((event) => event.index === index)
        .map((event) => event.delta)
        .join('');
    expect([text(0), text(1)]).toEqual(['Once upon é😀', 'Twice\n\nid: 9\n']);
    expect(events.at(-1).job).toEqual((await rig.json(`/v1/jobs/${id}`)).body);
  });

  it('resumes after any event, however it is said, byte for byte', async () => {
    const id = await finishedJob();
    const whole = await allSse(await open(id));
    const rest = async (after: number, byHeader: boolean): Promise<SseFrame[]> =>
      allSse(
        byHeader ? await open(id, '', { 'last-event-id': `${after}` }) : await open(id, `?starting_after=${after}`),
      );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 7 }), fc.boolean(), async (after, byHeader) => {
        expect(await rest(after, byHeader)).toEqual(whole.slice(after));
      }),
      { seed: 7, numRuns: 30 },
    );
    const both = await open(id, '?starting_after=1', { 'last-event-id': '6' });
    expect(await allSse(both)).toEqual(whole.slice(6));
  });

  it('stops a browser from reconnecting once it has everything', async () => {
    const id = await finishedJob();
    for (const after of ['8', '9', '999999']) expect((await open(id, '', { 'last-event-id': after })).status).toBe(204);
  });

  it('follows live: every event arrives while the job runs, without a gap between replay and live', async () => {
    const id = await create();
    const worker = await rig.startWorker(id);
    await worker.say('a');
    const frames = readSse(await open(id));
    const next = async () => JSON.parse((await frames.next()).value!.data);
    expect([(await next()).type, (await next()).type, (await next()).delta]).toEqual([
      'job.queued',
      'job.started',
      'a',
    ]);
    for (const delta of ['b', 'c', 'd']) {
      const [event] = await Promise.all([next(), worker.say(delta)]);
      expect(event.delta).toBe(delta);
    }
    await worker.end('completed');
    expect((await next()).type).toBe('job.completed');
    expect((await frames.next()).done).toBe(true);
  });

  it('does not stay open for a HEAD', async () => {
    const response = await rig.request(`/v1/jobs/${await create()}/events`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  });

  it('breaks silence with comments', async () => {
    const stop = new AbortController();
    const response = await open(await create(), '', {}, stop.signal);
    let text = '';
    for await (const chunk of response.body!) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (/\n\n:\n\n:\n\n/.test(text)) break;
    }
    expect(text.startsWith('retry: 1000\n\n')).toBe(true);
  });

  it('shows logprobs when they were asked for', async () => {
    const id = await create({ logprobs: 1 });
    const logprobs = { tokens: ['a'], token_logprobs: [-0.5], top_logprobs: [{ a: -0.5 }], text_offset: [0] };
    const worker = await rig.startWorker(id);
    await worker.say({ delta: 'a', logprobs });
    await worker.end('completed');
    const frames = await allSse(await open(id));
    expect(JSON.parse(frames[2]!.data).logprobs).toEqual(logprobs);
  });

  it.each([
    ['?starting_after=-1', undefined, 'starting_after'],
    ['?starting_after=x', undefined, 'starting_after'],
    ['', 'abc', 'Last-Event-ID'],
    ['', '1.5', 'Last-Event-ID'],
  ])('is 400 for %j / %j', async (query, header, param) => {
    const response = await open(await create(), query, header === undefined ? {} : { 'last-event-id': header });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { param: string } }).error.param).toBe(param);
  });
});

describe('a client that goes away', () => {
  async function leaveAfterFirstEvent(id: string): Promise<void> {
    const stop = new AbortController();
    const frames = readSse(await open(id, '', {}, stop.signal));
    await frames.next();
    stop.abort();
    await expect(frames.next()).rejects.toThrow();
  }

  it('leaves its job running by default', async () => {
    const id = await create();
    await leaveAfterFirstEvent(id);
    const worker = await rig.startWorker(id);
    await worker.end('completed');
    expect((await rig.ended(id)).status).toBe('completed');
  });

  it('takes the job with it if it asked for that, but only when no other client reads', async () => {
    const id = await create({ on_disconnect: 'cancel' });
    const other = readSse(await open(id));
    await other.next();
    await leaveAfterFirstEvent(id);
    const worker = await rig.startWorker(id);
    await worker.say('still running');
    await other.return(undefined);
    expect(await rig.ended(id)).toMatchObject({
      status: 'cancelled',
      result: { choices: [{ text: 'still running' }] },
    });
  });
});
