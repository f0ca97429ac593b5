/** The content policy as clients meet it: refused prompts on every generating endpoint, and streams that never show a banned phrase. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foldEvents, jobKey } from '@inkwell/contracts';
import { writeRandomModel } from '@inkwell/gpt2';
import { type ContentPolicy, compilePolicy } from '@inkwell/safety';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../testing/rig.ts';
import { allSse } from '../testing/sse.ts';

/** What the engine without a model says, again and again; a byte is a token here. */
const saying = ' The engine without a model says the same words again and again, to measure all that lies around it.';
const replacement = '[removed]';
/** The prompt has a length at which the saying begins anew. */
const prompt = 'x'.repeat(saying.length);

function policyOf(phrases: readonly string[], match: 'word' | 'anywhere' = 'word'): ContentPolicy {
  const examples = { caught: [phrases[0] ?? 'x'], passed: ['…'] };
  const rule = { id: 'banned.test', kind: 'phrase', phrases, match, examples };
  return compilePolicy(
    JSON.stringify({ version: 1, replacement, prompt_rules: [], output_rules: phrases.length > 0 ? [rule] : [] }),
  );
}

let directory: string;
let rig: Rig;
let policy: ContentPolicy;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-policy-'));
  const shape = { n_layer: 1, n_head: 1, n_embd: 8, n_positions: 512, vocab_size: 300 };
  await writeRandomModel(directory, shape, { seed: 1 });
  rig = await startRig({
    engine: { backend: 'null', modelDir: directory, contextLength: 512, nullPaceMs: 1 },
    policy: () => policy,
  });
});
afterAll(async () => {
  await rig.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  policy = policyOf([]);
});

interface Chunk {
  choices: { index: number; text: string; logprobs: { tokens: string[] } | null; finish_reason: string | null }[];
}

interface Seen {
  text: string;
  names: string;
  reason: string | null;
}

/** Per choice all that a client of the stream has seen of it. */
function seenIn(pieces: readonly { index: number; text: string; tokens: string[]; reason: string | null }[]): Seen[] {
  const seen: Seen[] = [];
  for (const { index, text, tokens, reason } of pieces) {
    seen[index] ??= { text: '', names: '', reason: null };
    seen[index].text += text;
    seen[index].names += tokens.join('');
    seen[index].reason = reason ?? seen[index].reason;
  }
  return seen;
}

async function streamedCompletion(body: object): Promise<Seen[]> {
  const response = await rig.request('/v1/completions', { body: { ...body, stream: true } });
  const frames = (await allSse(response)).map(({ data }) => data);
  expect(frames.at(-1)).toBe('[DONE]');
  const chunks = frames.slice(0, -1).map((data) => JSON.parse(data) as Chunk);
  return seenIn(
    chunks.flatMap(({ choices }) =>
      choices.map((one) => ({
        index: one.index,
        text: one.text,
        tokens: one.logprobs?.tokens ?? [],
        reason: one.finish_reason,
      })),
    ),
  );
}

async function completion(path: string, body: object): Promise<Seen[]> {
  const { body: answer } = await rig.json(path, { body });
  return answer.choices.map((one) => ({
    text: one.text,
    names: one.logprobs?.tokens.join('') ?? '',
    reason: one.finish_reason,
  }));
}

interface EventData {
  type: string;
  index: number;
  delta: string;
  logprobs?: { tokens: string[] };
  finish_reason: string | null;
  job?: { status: string; result: { choices: { text: string; finish_reason: string }[] } };
}

async function eventsOf(id: string, after: number): Promise<EventData[]> {
  const frames = await allSse(await rig.request(`/v1/jobs/${id}/events?starting_after=${after}`));
  return frames.map(({ data }) => JSON.parse(data) as EventData);
}

function seenInEvents(events: readonly EventData[]): Seen[] {
  const deltas = events.filter(({ type }) => type === 'job.delta');
  return seenIn(
    deltas.map((one) => ({
      index: one.index,
      text: one.delta,
      tokens: one.logprobs?.tokens ?? [],
      reason: one.finish_reason,
    })),
  );
}

/** The job's own stream, read whole and resumed behind every event: what is seen must be the same. */
async function jobStream(body: object): Promise<Seen[]> {
  const { body: job } = await rig.json('/v1/jobs', { body });
  const events = await eventsOf(job.id, 0);
  for (let after = 1; after < events.length; after++) {
    expect(await eventsOf(job.id, after)).toEqual(events.slice(after));
  }
  const seen = seenInEvents(events);
  const ended = events.at(-1)!;
  expect(ended.type).toBe(seen.some(({ reason }) => reason === 'content_filter') ? 'job.incomplete' : 'job.completed');
  expect(ended.job!.result.choices.map((one) => one.text)).toEqual(seen.map(({ text }) => text));
  const stored = (await rig.ports.jobStore.get(jobKey('alice', job.id)))!;
  const story = await rig.ports.resultStream.read(stored.key, 0, 1_000);
  expect(foldEvents(stored.spec, story).result.choices.map(({ text }) => text)).toEqual(seen.map(({ text }) => text));
  return seen;
}

const ways: Record<string, (body: object) => Promise<Seen[]>> = {
  'completion at once': (body) => completion('/v1/completions', body),
  'completion streamed': streamedCompletion,
  'job’s events, also resumed': jobStream,
};

const variants: [string, object][] = [
  ['plain', {}],
  ['with logprobs', { logprobs: 2 }],
  ['three choices', { n: 3 }],
  ['echo', { echo: true }],
  ['echo and logprobs', { echo: true, logprobs: 0 }],
  ['with stop strings that begin where the phrase does', { stop: ['same words again and again, too', 'the sam!'] }],
];

describe.each(Object.entries(ways))('a %s', (_, generate) => {
  it.each(variants)(
    '%s: shows the text before a banned phrase and the replacement, nothing of the phrase',
    async (__, extra) => {
      const start = saying.indexOf('says');
      for (const phrase of ['SAYS', 'says the same', 'says the same words again and again', ' model says']) {
        policy = policyOf([phrase]);
        const text = saying.slice(0, phrase.startsWith(' ') ? start - 6 : start);
        const shown = 'echo' in extra ? prompt + text : text;
        for (const seen of await generate({ model: testModel, prompt, max_tokens: 90, ...extra })) {
          expect([phrase, seen.text, seen.reason]).toEqual([phrase, shown + replacement, 'content_filter']);
          expect(shown.startsWith(seen.names)).toBe(true);
        }
      }
    },
  );

  it('is not touched by phrases that only nearly appear', async () => {
    policy = policyOf(['say', 'engines', 'same word', 'modelsays']);
    const [seen] = await generate({ model: testModel, prompt, max_tokens: 50, logprobs: 0 });
    expect(seen).toEqual({ text: saying.slice(0, 50), names: saying.slice(0, 50), reason: 'length' });
  });

  it('is not filtered when a stop string ends it before the phrase is complete', async () => {
    policy = policyOf(['says the same']);
    const [seen] = await generate({ model: testModel, prompt, max_tokens: 90, logprobs: 0, stop: ['the'] });
    expect([seen!.text, seen!.reason]).toEqual([saying.slice(0, saying.indexOf('the')), 'stop']);
    expect(seen!.text.startsWith(seen!.names)).toBe(true);
  });
});

it('the older endpoint filters like the others', async () => {
  policy = policyOf(['without a model']);
  const [seen] = await completion('/api/llm/generate/api-key', { prompt, max_tokens: 60 });
  expect(seen).toMatchObject({ text: ` The engine ${replacement}`, reason: 'content_filter' });
});

it('a change of the rules concerns jobs accepted later, not one that runs', async () => {
  policy = policyOf(['lies around it']);
  const { body: job } = await rig.json('/v1/jobs', { body: { model: testModel, prompt, max_tokens: 120 } });
  policy = policyOf([]);
  expect((await rig.ended(job.id)).result!.choices[0]).toMatchObject({ finish_reason: 'content_filter' });
  const { body: later } = await rig.json('/v1/jobs', { body: { model: testModel, prompt, max_tokens: 120 } });
  expect((await rig.ended(later.id)).result!.choices[0]).toMatchObject({ finish_reason: 'length' });
});

describe('a refused prompt', () => {
  const card = 'Pay with 4111 1111 1111 1111 please';
  beforeEach(() => {
    policy = compilePolicy(
      JSON.stringify({
        version: 1,
        prompt_rules: [
          {
            id: 'pii.card',
            kind: 'pii',
            detector: 'credit_card',
            examples: { caught: ['4111111111111111'], passed: ['4111111111111112'] },
          },
        ],
        output_rules: [],
      }),
    );
  });

  const tokens = (text: string) => [...new TextEncoder().encode(text)];
  const job = { model: testModel, max_tokens: 5 };
  it.each([
    ['POST /v1/completions', '/v1/completions', { ...job, prompt: card }, 'prompt'],
    ['POST /v1/completions, streaming', '/v1/completions', { ...job, prompt: card, stream: true }, 'prompt'],
    ['… among several prompts', '/v1/completions', { ...job, prompt: ['fine', card] }, 'prompt.1'],
    ['… as token ids', '/v1/completions', { ...job, prompt: tokens(card) }, 'prompt'],
    ['… as lists of token ids', '/v1/completions', { ...job, prompt: [tokens('fine'), tokens(card)] }, 'prompt.1'],
    ['POST /v1/jobs', '/v1/jobs', { ...job, prompt: card }, 'prompt'],
    ['PUT /v1/jobs/{id}', '/v1/jobs/mine', { ...job, prompt: card }, 'prompt'],
    ['POST /api/llm/generate/api-key', '/api/llm/generate/api-key', { prompt: card }, 'prompt'],
  ])('%s: 400 with the rule’s id, nothing of the prompt, and nothing is queued', async (name, path, body, param) => {
    const before = (await rig.json('/v1/jobs')).body.data.map(({ id }) => id);
    const method = name.startsWith('PUT') ? 'PUT' : 'POST';
    const answer = await rig.json(path, { method, body });
    expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([
      400,
      'content_policy_violation',
      param,
    ]);
    expect(answer.body.error.message).toContain('pii.card');
    expect(JSON.stringify(answer.body)).not.toContain('4111');
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect((await rig.json('/v1/jobs')).body.data.map(({ id }) => id)).toEqual(before);
    const metrics = await (await rig.request('/metrics')).text();
    expect(metrics).toMatch(/content_policy_violations_total\{direction="prompt",rule="pii.card"\} [1-9]/);
  });

  it('is the only one refused: the same request without it runs', async () => {
    const { status } = await rig.json('/v1/completions', { body: { ...job, prompt: 'Pay with 4111 1111' } });
    expect(status).toBe(200);
  });
});
