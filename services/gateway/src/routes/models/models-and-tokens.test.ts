import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testContextLength, testModel } from '../../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const model = {
  id: testModel,
  object: 'model',
  created: 1_700_000_000,
  owned_by: 'inkwell',
  context_length: testContextLength,
};

describe('/v1/models', () => {
  it('lists and finds what is served', async () => {
    expect((await rig.json('/v1/models')).body).toEqual({ object: 'list', data: [model] });
    expect((await rig.json(`/v1/models/${testModel}`)).body).toEqual(model);
  });

  it('is 404 for another, also with a slash in its name', async () => {
    for (const id of ['other', 'openai-community%2Fgpt2']) {
      const { status, body } = await rig.json(`/v1/models/${id}`);
      expect([status, body.error.code, body.error.param]).toEqual([404, 'model_not_found', 'model']);
    }
  });
});

describe('/v1/tokenize and /v1/detokenize', () => {
  const post = (path: string, body: object) => rig.json(path, { body: { model: testModel, ...body } });

  it('are each other’s inverse and count what a job will count', async () => {
    for (const prompt of ['Hello world', 'naïve 😀 \n\t', '日本語', '<|endoftext|>', ' '.repeat(50)]) {
      const { body } = await post('/v1/tokenize', { prompt });
      const { tokens, count } = body as unknown as { tokens: number[]; count: number };
      expect(body).toMatchObject({ model: testModel, context_length: testContextLength });
      expect(count).toBe(tokens.length);
      expect((await post('/v1/detokenize', { tokens })).body).toEqual({ model: testModel, prompt });
      const { id } = (await rig.json('/v1/jobs', { body: { model: testModel, prompt } })).body;
      expect((await rig.ports.jobStore.get(`alice:${id}` as never))?.spec.prompts).toEqual([tokens]);
    }
  });

  it('refuse what a model has no token for, by name', async () => {
    expect((await post('/v1/detokenize', { tokens: [1, 50_257] })).body.error.param).toBe('tokens.1');
    expect((await post('/v1/tokenize', { prompt: '' })).body.error.param).toBe('prompt');
    expect((await post('/v1/tokenize', { prompt: 'x', model: 'y' })).status).toBe(404);
    expect((await post('/v1/detokenize', { tokens: [] })).body).toEqual({ model: testModel, prompt: '' });
  });
});
