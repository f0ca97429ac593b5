/** The stock `openai` client, unmodified but for its address: what it reads, streams, retries and throws. */
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  UnprocessableEntityError,
} from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, type Script, startRig, testModel } from '../testing/rig.ts';

let rig: Rig;
let client: OpenAI;
let script: Script;
beforeAll(async () => {
  rig = await startRig({ config: { limits: { maxQueued: 1_000, maxQueuedPerTenant: 1 } } });
  await rig.serveJobs((worker) => script(worker));
  client = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: rig.key });
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'Once upon a time' };

const story: Script = async (worker) => {
  await worker.say(' there', ' was', { delta: ' ink.', finishReason: 'stop' });
  await worker.end('completed');
};

describe('the openai client', () => {
  it('completes', async () => {
    script = story;
    const completion = await client.completions.create({ ...request, max_tokens: 20, temperature: 0.5, user: 'me' });
    expect(completion.choices).toEqual([{ text: ' there was ink.', index: 0, logprobs: null, finish_reason: 'stop' }]);
    expect(completion.usage).toEqual({ prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 });
    expect(completion._request_id).toMatch(/^req_/);
  });

  it('streams, with usage at the end', async () => {
    script = story;
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    const reasons: string[] = [];
    let usage: OpenAI.CompletionUsage | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      usage = chunk.usage ?? usage;
    }
    expect([text, reasons, usage?.total_tokens]).toEqual([' there was ink.', ['stop'], 7]);
  });

  it('throws what broke a stream midway', async () => {
    const error = { message: 'It broke.', type: 'server_error', param: null, code: 'generation_failed' } as const;
    script = async (worker) => {
      await worker.say('half');
      await worker.end('failed', error);
    };
    const stream = await client.completions.create({ ...request, stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toMatchObject({ code: 'generation_failed', type: 'server_error' });
    await expect(read()).rejects.toThrow();
  });

  it('lists and finds models', async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([testModel]);
    expect(await client.models.retrieve(testModel)).toMatchObject({ id: testModel, object: 'model' });
    await expect(client.models.retrieve('openai-community/gpt2')).rejects.toThrow(NotFoundError);
  });

  it('throws the class that belongs to each refusal, and does not retry where that cannot help', async () => {
    const wrongKey = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: 'wrong' });
    await expect(wrongKey.models.list()).rejects.toThrow(AuthenticationError);
    const refused = client.completions.create({ ...request, temperature: 3 });
    await expect(refused).rejects.toThrow(BadRequestError);
    await expect(refused).rejects.toMatchObject({ param: 'temperature', code: 'invalid_parameter' });
    await expect(client.completions.create({ ...request, model: 'gpt-5' })).rejects.toThrow(NotFoundError);
    let runs = 0;
    script = async (worker) => {
      runs += 1;
      await worker.end('failed');
    };
    await expect(client.completions.create(request)).rejects.toThrow(InternalServerError);
    expect(runs).toBe(1);
    script = (worker) => worker.end('cancelled');
    await expect(client.completions.create(request)).rejects.toThrow(ConflictError);
    script = story;
    const headers = { 'idempotency-key': 'one' };
    await client.completions.create(request, { headers });
    const mismatch = client.completions.create({ ...request, prompt: 'Else' }, { headers });
    await expect(mismatch).rejects.toThrow(UnprocessableEntityError);
  });

  it('waits as long as a full queue tells it to, then succeeds', async () => {
    const bob = await rig.addKey('bob');
    const carol = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: bob, maxRetries: 0 });
    const go = Promise.withResolvers<void>();
    script = async (worker) => {
      await go.promise;
      await story(worker);
    };
    // The scripted worker starts every job at once, so a queue is only full for jobs it may not take: those of another gateway's model.
    const record = await fullQueueOf('bob');
    await expect(carol.completions.create(request)).rejects.toThrow(RateLimitError);
    go.resolve();
    await rig.json(`/v1/jobs/${record}/cancel`, { method: 'POST', key: bob });
    expect((await carol.completions.create(request)).choices[0]?.finish_reason).toBe('stop');
  });

  it('aborts, and the job with it', async () => {
    const left = Promise.withResolvers<void>();
    script = async (worker) => {
      await worker.say('x');
      await left.promise;
      await worker.say('y');
    };
    const stop = new AbortController();
    const stream = await client.completions.create({ ...request, stream: true }, { signal: stop.signal });
    const { id } = (await rig.json('/v1/jobs?limit=1')).body.data[0]!;
    for await (const chunk of stream) {
      expect(chunk.choices[0]?.text).toBe('x');
      stop.abort();
    }
    expect((await rig.ended(id)).status).toBe('cancelled');
    left.resolve();
    const waiting = client.completions.create(request, { signal: AbortSignal.abort() });
    await expect(waiting).rejects.toThrow(APIUserAbortError);
    await expect(waiting).rejects.toThrow(APIError);
  });
});

/** A job that nobody will take, since it was never published. */
async function fullQueueOf(tenant: string): Promise<string> {
  const model = (await rig.ports.jobStore.list({ tenant: 'alice' }, { limit: 1 })).records[0]!;
  const record = { ...model, key: `${tenant}:waiting` as never, tenant, id: 'waiting', state: 'queued' as const };
  await rig.ports.resultStream.append(record.key, 0, 0, [{ type: 'job.queued', at: Date.now() }]);
  await rig.ports.jobStore.create(record, { maxQueued: 10, maxQueuedPerTenant: 10 });
  return record.id;
}
