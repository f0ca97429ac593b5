/**
 * Whatever is put in whatever field of whatever body: a 4xx that names the field, never a 5xx, nothing queued, and memory stays where it was.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const seed = Number(process.env.FUZZ_SEED ?? 20_261_123);

/** Per field of a generating request, values that are wrong for it. JSON text, so that numbers no double holds can be sent too. */
const wrong = {
  number: ['1e999', '-1e999', '"1"', 'true', '[]', '{}', '[1]', '"NaN"', '-7', '1e15', '"\\u0000"'],
  wholeNumber: ['0.5', '1e999', '-1e999', '"1"', 'true', '[]', '{}', '9007199254740993', '-7.5'],
  boolean: ['0', '1', '"true"', '[]', '{}', '1e999'],
  text: ['1', 'true', '[]', '{}', '"\\ud800"', '"a\\udfffb"', '""'],
  choice: ['""', '"__proto__"', '"constructor"', '1', '[]', '{}', '"\\ud800"'],
  map: [
    '[]',
    '1',
    '"a"',
    '{"a":{}}',
    '{"__proto__":"x"}',
    '{"a":1e999}',
    '{"\\ud800":"x"}',
    '{"constructor":[]}',
    '{"1":[]}',
  ],
};

const generation: Record<string, string[]> = {
  model: wrong.text,
  prompt: [
    '1',
    'true',
    '{}',
    '""',
    '[]',
    '[[]]',
    '["a",1]',
    '[1,"a"]',
    '[null]',
    '[-1]',
    '[1e999]',
    '[50257]',
    '[0.5]',
    '["\\ud800"]',
    '[[[1]]]',
  ],
  max_tokens: wrong.wholeNumber,
  temperature: wrong.number,
  top_p: wrong.number,
  n: wrong.wholeNumber,
  stop: ['1', '""', '[1]', '{}', '["a","b","c","d","e"]', '"\\udbff"', '[["a"]]', '[null]'],
  presence_penalty: wrong.number.filter((value) => value !== '-7').concat('-7'),
  frequency_penalty: wrong.number,
  seed: ['0.5', '1e999', '"1"', '[]', '{}', 'true', '9007199254740993'],
};
const extended: Record<string, string[]> = {
  ...generation,
  logprobs: wrong.wholeNumber,
  echo: wrong.boolean,
  best_of: wrong.wholeNumber,
  logit_bias: wrong.map,
  suffix: ['"x"', '1', '[]'],
  user: wrong.text.filter((value) => value !== '""'),
  top_k: wrong.wholeNumber,
  min_p: wrong.number,
  repetition_penalty: wrong.number,
  ignore_eos: wrong.boolean,
  priority: wrong.choice,
  metadata: wrong.map,
  deadline: wrong.number,
  on_disconnect: wrong.choice,
};

interface Target {
  method: string;
  path: string;
  valid: Record<string, string>;
  fields: Record<string, string[]>;
}

const validRequest = { model: JSON.stringify(testModel), prompt: '"Hello"', max_tokens: '1' };
const targets: Target[] = [
  { method: 'POST', path: '/v1/jobs', valid: validRequest, fields: extended },
  { method: 'PUT', path: '/v1/jobs/fuzz', valid: validRequest, fields: extended },
  {
    method: 'POST',
    path: '/v1/completions',
    valid: validRequest,
    fields: { ...extended, stream: wrong.boolean, stream_options: ['1', '[]', '{"a":1}', '{"include_usage":1}', '{}'] },
  },
  {
    method: 'POST',
    path: '/api/llm/generate/api-key',
    valid: { prompt: '"Hello"' },
    fields: { ...generation, prompt: wrong.text },
  },
  {
    method: 'POST',
    path: '/v1/tokenize',
    valid: { model: validRequest.model, prompt: '"a"' },
    fields: { model: wrong.text, prompt: wrong.text },
  },
  {
    method: 'POST',
    path: '/v1/detokenize',
    valid: { model: validRequest.model, tokens: '[1]' },
    fields: {
      model: wrong.text,
      tokens: ['1', '"a"', '{}', '[-1]', '[1e999]', '["1"]', '[50257]', '[0.5]', '[[1]]', '[null]'],
    },
  },
  {
    method: 'POST',
    path: '/v1/jobs/cancel',
    valid: { state: '"queued"' },
    fields: { state: wrong.choice, metadata: wrong.map },
  },
  {
    method: 'POST',
    path: '/api/keys',
    valid: { name: '"x"', tenant: '"x"' },
    fields: {
      name: wrong.text,
      tenant: ['""', '"A"', '"a:b"', '"__proto__"', '1', '[]', '{}', '"\\ud800"'],
      role: wrong.choice,
      expires_at: wrong.number,
    },
  },
];

const send = (target: Target, body: string) => rig.json(target.path, { method: target.method, body });

function bodyOf(target: Target, field: string, value: string): string {
  const members = Object.entries({ ...target.valid, [field]: value });
  return `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}

async function expectRefusal(target: Target, body: string, field: string): Promise<void> {
  const { status, body: answer } = await send(target, body);
  const label = `${target.path} ${body.slice(0, 200)}`;
  expect(status, label).toBeGreaterThanOrEqual(400);
  expect(status, label).toBeLessThan(500);
  const { param } = answer.error;
  expect(param === field || param?.startsWith(`${field}.`), `${label} names ${param}`).toBe(true);
}

describe.each(targets)('$method $path', (target) => {
  it('names the field for every wrong value of every field, and queues nothing', async () => {
    const before = await rig.ports.jobStore.counts();
    for (const [field, values] of Object.entries(target.fields)) {
      for (const value of values) await expectRefusal(target, bodyOf(target, field, value), field);
    }
    expect(await rig.ports.jobStore.counts()).toEqual(before);
  });

  it(`refuses fields it does not know, by name (seed ${seed})`, async () => {
    const before = await rig.ports.jobStore.counts();
    const name = fc.oneof(
      fc.constantFrom('__proto__', 'constructor', 'toString', 'webhook', 'max_token', 'Prompt', 'prompt '),
      fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    );
    await fc.assert(
      fc.asyncProperty(name, fc.jsonValue({ maxDepth: 3 }), async (field, value) => {
        fc.pre(!(field in target.fields) || !Object.hasOwn(target.fields, field));
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        await expectRefusal(target, bodyOf(target, field, JSON.stringify(value)), field);
      }),
      { seed, numRuns: 40 },
    );
    expect(await rig.ports.jobStore.counts()).toEqual(before);
  });

  it(`answers any JSON value in any field without a 5xx (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(target.fields)),
        fc.jsonValue({ maxDepth: 4 }),
        async (field, value) => {
          // What might be accepted is stopped by headers that are not valid, since nothing runs here and it would be awaited.
          const { status } = await rig.json(target.path, {
            method: target.method,
            body: bodyOf(target, field, JSON.stringify(value)),
            headers: { 'cancel-after': 'never', 'idempotency-key': ' ' },
          });
          expect(status).toBeLessThan(500);
        },
      ),
      { seed, numRuns: 60 },
    );
  });
});

describe('under thousands of hostile requests', () => {
  it('memory stays flat', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const big = `{"model":"x","prompt":[${'"\\ud800",'.repeat(5_000)}1],"${'k'.repeat(10_000)}":1}`;
    const deep = `{"prompt":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const round = async (requests: number) => {
      for (let i = 0; i < requests; i += 20) {
        await Promise.all(
          [...Array(20)].map((_, j) => send(targets[j % targets.length]!, j % 2 ? big : `${deep}`.slice(0, 1_000 + i))),
        );
      }
      gc();
      return process.memoryUsage().heapUsed;
    };
    const warm = await round(500);
    const after = await round(2_000);
    expect(after - warm).toBeLessThan(30_000_000);
  });
});
