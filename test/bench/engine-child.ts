/**
 * Measures one engine in a process of its own, so that its memory is its own. Arguments: model directory, backend, quantization, KV cache,
 * directory of quantised weights, native add-on (or nothing), file for logits (or nothing). The answer is one JSON line on stdout.
 * With BENCH_LOAD_ONLY set it only loads, which fills the cache of quantised weights. Text is drawn greedily past the end-of-text token;
 * a decode figure is batch size ÷ median step.
 */
import { writeFileSync } from 'node:fs';
import { type GenerationSpec, neutralSampling } from '@inkwell/contracts';
import { Engine } from '@inkwell/engine';
import { type BackendOptions, type LoadedModel, loadModel } from '@inkwell/gpt2/tfjs';
import { median, rounded } from './statistics.ts';

const batchSizes = [1, 4, 8, 16];
const promptTokens = 128;
const measuredSteps = 48;

export interface EngineFigures {
  backend: string;
  decode: Record<string, number>;
  prefill: Record<string, number>;
  ttftMs: number;
  rssMb: number;
  loadS: number;
}

const promptOf = (length: number, salt: number) =>
  Array.from({ length }, (_, i) => (i * 7919 + salt * 104_729 + 13) % 256);

function spec(length: number, maxTokens: number, salt: number): GenerationSpec {
  const prompt = promptOf(length, salt);
  const shared = { model: 'bench', n: 1, bestOf: 1, stop: [], logprobs: null, echo: false, ignoreEos: true };
  return { ...shared, prompts: [prompt], maxTokens, sampling: { ...neutralSampling, temperature: 0 } };
}

async function runDry(engine: Engine): Promise<void> {
  while (!engine.idle) await engine.step();
}

/** Times steps in which every sequence of the batch draws a token and none computes its prompt; then drops the batch. */
async function decodeRate(engine: Engine, batch: number, maxTokens: number): Promise<number> {
  const names = Array.from({ length: batch }, (_, i) => `decode-${i}`);
  for (const [i, name] of names.entries()) engine.add(name, spec(promptTokens, maxTokens, i));
  const times: number[] = [];
  while (times.length < measuredSteps) {
    if (engine.idle) throw new Error(`the batch of ${batch} ended before ${measuredSteps} steps of it could be timed`);
    const startedAt = performance.now();
    const report = await engine.step();
    if (report.drawnTokens === batch && report.promptTokens === 0) times.push(performance.now() - startedAt);
  }
  for (const name of names) engine.abort(name);
  return rounded((batch * 1000) / median(times));
}

async function prefillRate(engine: Engine, length: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    engine.add('prefill', spec(length, 1, round));
    await runDry(engine);
    times.push(performance.now() - startedAt);
  }
  return rounded((length * 1000) / median(times));
}

/** Logits of positions 120 to 127, each computed in a step of its own, as floats one after the other. */
async function writeLogits({ backend }: LoadedModel, path: string): Promise<void> {
  const ids = promptOf(promptTokens, 0);
  const { blockSize } = backend.info;
  const step = (from: number, to: number) =>
    backend.forward({
      tokens: Int32Array.from(ids.slice(from, to)),
      positions: Int32Array.from({ length: to - from }, (_, i) => from + i),
      sequences: new Int32Array(to - from),
      blockTables: [Int32Array.from({ length: Math.ceil(promptTokens / blockSize) }, (_, block) => block)],
      logitsRows: Int32Array.of(to - from - 1),
    });
  await step(0, promptTokens - 8);
  const rows: Buffer[] = [];
  for (let position = promptTokens - 8; position < promptTokens; position++) {
    const [logits] = await step(position, position + 1);
    rows.push(Buffer.from(Float32Array.from(logits ?? []).buffer));
  }
  writeFileSync(path, Buffer.concat(rows));
}

async function main([
  directory = '',
  name,
  quantization,
  kvCache,
  cacheDirectory = '',
  addonPath = '',
  logitsPath = '',
]: string[]): Promise<EngineFigures> {
  const startedAt = performance.now();
  const options = {
    backend: name as BackendOptions['backend'] & string,
    quantization: quantization as BackendOptions['quantization'] & string,
    kvCache: kvCache as BackendOptions['kvCache'] & string,
    cacheDirectory,
    ...(addonPath !== '' && { addonPath }),
  };
  const model = await loadModel(directory, options);
  const { backend, tokenizer, config } = model;
  const loadS = rounded((performance.now() - startedAt) / 1000);
  const { device, threads, quantization: kind, kvCache: kv } = backend.info;
  const described = `${backend.info.name} ${device}, ${kind === 'none' ? 'f32' : kind}, ${kv === 'int4' ? 'KV int4, ' : ''}${threads} threads`;
  if (process.env.BENCH_LOAD_ONLY !== undefined) {
    await backend.dispose();
    return { backend: described, decode: {}, prefill: {}, ttftMs: 0, rssMb: 0, loadS };
  }
  const engine = new Engine(backend, tokenizer);
  engine.add('warm-up', spec(promptTokens, 8, 0));
  await runDry(engine);
  const decode: Record<string, number> = {};
  for (const batch of batchSizes) decode[batch] = await decodeRate(engine, batch, config.n_positions - promptTokens);
  const prefill: Record<string, number> = {};
  for (const length of [128, 512]) if (length < config.n_positions) prefill[length] = await prefillRate(engine, length);
  const ttftMs = rounded(64_000 / (await prefillRate(engine, 64)));
  const rssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  if (logitsPath !== '') await writeLogits(model, logitsPath);
  await backend.dispose();
  return { backend: described, decode, prefill, ttftMs, rssMb, loadS };
}

process.stdout.write(`${JSON.stringify(await main(process.argv.slice(2)))}\n`);
