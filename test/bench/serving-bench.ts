/**
 * What of the engine's speed is left at the clients: the whole embedded edition, HTTP in and SSE out, beside the engine alone on the same jobs.
 * Rounds alternate; while one side is measured the other waits.
 */
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { Engine } from '@inkwell/engine';
import { loadModel } from '@inkwell/gpt2/tfjs';
import { InkwellProcess } from '../support/inkwell-process.ts';
import { testKey } from '../support/product-process.ts';
import { Client } from './client.ts';
import { ensureRandomModel, random124m, scratch } from './engine-bench.ts';
import { median, rounded } from './statistics.ts';

export interface ServingResult {
  device: string;
  /** Tokens per second of all clients together, prefill included; medians of the rounds. */
  engine: number;
  platform: number;
  /** Median of the rounds' ratios, and the least and greatest. */
  share: number;
  shareSpread: [number, number];
}

const clients = 16;
const promptTokens = 64;
const newTokens = 128;
const vocabulary = 50_257;

/** Different for each client and round, the same for both sides. */
const promptOf = (client: number, round: number): number[] =>
  Array.from({ length: promptTokens }, (_, i) => ((round * clients + client) * 7919 + i * 104_729) % vocabulary);

export async function benchServing(rounds: number, progress: (text: string) => void): Promise<ServingResult> {
  await ensureRandomModel(progress);
  progress('serving: loading the engine and starting the platform');
  const { backend, tokenizer } = await loadModel(random124m, { cacheDirectory: `${scratch}/quantised` });
  const engine = new Engine(backend, tokenizer);
  const env = { INKWELL_MODEL_DIR: random124m, INKWELL_LIMIT_KEY_PER_MINUTE: 'off' };
  const inkwell = await new InkwellProcess({ env }).start();
  const client = new Client(inkwell.url, { authorization: `Bearer ${testKey}` });
  try {
    const { data } = await client.json<{ data: { id: string }[] }>('GET', '/v1/models');
    const model = data[0]?.id ?? '';
    const alone: number[] = [];
    const served: number[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      progress(`serving: round ${round} of ${rounds}`);
      const both = [await engineRate(engine, round), await platformRate(client, model, round)] as const;
      if (round === 0) continue;
      alone.push(both[0]);
      served.push(both[1]);
    }
    const shares = served.map((rate, i) => rate / alone[i]!);
    return {
      device: backend.info.device,
      engine: rounded(median(alone)),
      platform: rounded(median(served)),
      share: rounded(median(shares)),
      shareSpread: [rounded(Math.min(...shares)), rounded(Math.max(...shares))],
    };
  } finally {
    client.close();
    await inkwell.dispose();
    await backend.dispose();
  }
}

const rateSince = (startedAt: number): number => (clients * newTokens * 1000) / (performance.now() - startedAt);

async function engineRate(engine: Engine, round: number): Promise<number> {
  const shared = { model: 'bench', n: 1, bestOf: 1, stop: [], logprobs: null, echo: false, ignoreEos: true };
  const startedAt = performance.now();
  for (let client = 0; client < clients; client++) {
    const sampling = { ...neutralSampling, seed: client };
    const spec: GenerationSpec = { ...shared, prompts: [promptOf(client, round)], maxTokens: newTokens, sampling };
    engine.add(`${client}`, spec);
  }
  while (!engine.idle) await engine.step();
  return rateSince(startedAt);
}

async function platformRate(client: Client, model: string, round: number): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const prompt = promptOf(index, round);
      const body = {
        model,
        prompt,
        max_tokens: newTokens,
        ignore_eos: true,
        seed: index,
        temperature: 1,
        stream: true,
      };
      const response = await client.open('POST', '/v1/completions', body);
      if (response.statusCode !== 200) throw new Error(`the platform answered ${response.statusCode}`);
      let ended = false;
      await client.events(response, (text) => {
        ended ||= text === '[DONE]';
        if (text.includes('"error"')) throw new Error(text);
      });
      if (!ended) throw new Error('a stream ended before its text');
    }),
  );
  return rateSince(startedAt);
}
