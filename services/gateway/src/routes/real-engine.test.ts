/** Requests through the whole house: gateway, store, worker and an engine process that computes a small real model. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';
import { allSse } from '../testing/sse.ts';

const modelDir = fileURLToPath(new URL('../../../../shared/gpt2/test-data/parity/plain-f32', import.meta.url));
let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ engine: { backend: 'wasm', modelDir, contextLength: 128 } });
});
afterAll(() => rig.close());

const request = { model: testModel, prompt: 'the', max_tokens: 12, seed: 11, ignore_eos: true };
const complete = (changes: object = {}) => rig.json('/v1/completions', { body: { ...request, ...changes } });

async function streamed(changes: object): Promise<string[]> {
  const response = await rig.request('/v1/completions', { body: { ...request, ...changes, stream: true } });
  const texts: string[] = [];
  for (const { data } of await allSse(response)) {
    if (data === '[DONE]') continue;
    const [choice] = JSON.parse(data).choices;
    texts[choice.index] = (texts[choice.index] ?? '') + choice.text;
  }
  return texts;
}

describe('a real model behind the API', () => {
  it('gives the same text for the same seed: whole, streamed, as a job, and whatever runs beside it', async () => {
    const [whole, ...beside] = await Promise.all([
      complete(),
      complete({ seed: 12 }),
      complete({ seed: 13, n: 3 }),
      complete({ prompt: 'other' }),
    ]);
    expect(beside.map(({ status }) => status)).toEqual([200, 200, 200]);
    const text = whole.body.choices[0]!.text;
    expect(beside[0]!.body.choices[0]!.text).not.toBe(text);
    expect(await streamed({})).toEqual([text]);
    const { body } = await rig.json('/v1/jobs', { body: request });
    const job = await rig.ended(body.id);
    expect(job.result?.choices[0]?.text).toBe(text);
    expect(job.usage?.completion_tokens).toBe(12);
    const frames = await allSse(await rig.request(job.events_url));
    const deltas = frames.map(({ data }) => JSON.parse(data)).filter(({ type }) => type === 'job.delta');
    expect(deltas.map(({ delta }) => delta).join('')).toBe(text);
  });

  it('numbers the choices of several prompts and streams each in full', async () => {
    const changes = { prompt: ['the', 'a'], n: 2 };
    const { body } = await complete(changes);
    expect(body.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(await streamed(changes)).toEqual(body.choices.map(({ text }) => text));
  });

  it('echoes, reports logprobs and chooses among candidates', async () => {
    const { status, body } = await complete({ echo: true, logprobs: 2, best_of: 4, n: 2 });
    expect(status).toBe(200);
    for (const { text, logprobs } of body.choices) {
      expect(text.startsWith('the')).toBe(true);
      expect(logprobs!.token_logprobs).toHaveLength(logprobs!.tokens.length);
      expect(logprobs!.top_logprobs).toHaveLength(logprobs!.tokens.length);
      expect(logprobs!.text_offset).toEqual([...logprobs!.text_offset].sort((a, b) => a - b));
      expect(logprobs!.text_offset[0]).toBe(0);
    }
  });

  it('lets a token be forbidden or forced', async () => {
    const { body: tokens } = await rig.json('/v1/tokenize', { body: { model: testModel, prompt: 'e' } });
    const [id] = (tokens as unknown as { tokens: number[] }).tokens;
    const { body } = await complete({ logit_bias: { [String(id)]: 100 }, temperature: 0, max_tokens: 4 });
    expect(body.choices[0]!.text).toBe('eeee');
  });

  it('expires a job whose deadline has passed without starting it', async () => {
    const { status, body } = await rig.json('/v1/jobs', { body: { ...request, deadline: 1 } });
    expect(status).toBe(202);
    expect(await rig.ended(body.id)).toMatchObject({ status: 'expired', started_at: null, attempts: 0 });
    expect((await complete({ deadline: 1 })).status).toBe(504);
  });

  it('reports itself healthy after an inference of its own, and how long that took', async () => {
    const { status, body } = await rig.json('/api/health/status');
    expect([status, body.status]).toEqual([200, 'ok']);
    const { inference } = body as unknown as { inference: Record<string, unknown> };
    expect(inference).toMatchObject({ status: 'ok', model: testModel, error: null });
    expect(inference.duration_seconds).toBeGreaterThan(0);
    expect((await rig.json(`/v1/jobs/${inference.job_id}`)).body.status).toBe('completed');
    for (const probe of ['ping', 'liveness', 'readiness', 'startup']) {
      const answer = await rig.json(`/api/health/${probe}`, { key: null });
      expect([answer.status, answer.body.status], probe).toEqual([200, 'ok']);
    }
  });
});
