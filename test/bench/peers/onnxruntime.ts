/**
 * Measures onnxruntime-node as engine-child.ts measures ours: one JSON line on stdout. Arguments: MODEL.onnx THREADS LOGITS_FILE; PEER_MODULES
 * names the folder that holds the package. All sequences of a batch have one length here, as the graph wants it.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { median } from '../statistics.ts';

/** The part of onnxruntime-node that is used. */
interface Tensor {
  readonly data: Float32Array;
}
type Tensors = Record<string, Tensor>;
interface Session {
  run(inputs: Tensors): Promise<Tensors>;
}
interface OnnxRuntime {
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, shape: number[]) => Tensor;
  readonly InferenceSession: { create(path: string, options: Record<string, unknown>): Promise<Session> };
}

const require = createRequire(join(process.env.PEER_MODULES ?? '', 'peers.js'));
const packageName = 'onnxruntime-node';
const ort = require(packageName) as OnnxRuntime;
const { version } = require(`${packageName}/package.json`) as { version: string };

const promptTokens = 128;
const measuredSteps = 48;
const [layers, heads, headWidth, vocabulary] = [12, 12, 64, 50_257];

const prompt = (length: number, salt: number) =>
  Array.from({ length }, (_, i) => (i * 7919 + salt * 104_729 + 13) % 256);
const cacheNames = Array.from({ length: layers }, (_, layer) => [`k_${layer}`, `v_${layer}`]).flat();
const integers = (values: readonly number[], shape: number[]) =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

function emptyCache(batch: number): Tensors {
  const empty = () => new ort.Tensor('float32', new Float32Array(0), [batch, heads, 0, headWidth]);
  return Object.fromEntries(cacheNames.map((name) => [`past_${name}`, empty()]));
}

const nextCache = (outputs: Tensors): Tensors =>
  Object.fromEntries(cacheNames.map((name) => [`past_${name}`, outputs[`present_${name}`]!]));

function greedy({ logits }: Tensors, batch: number): number[] {
  const values = logits!.data;
  return Array.from({ length: batch }, (_, b) => {
    let best = b * vocabulary;
    for (let i = best; i < (b + 1) * vocabulary; i++) if (values[i]! > values[best]!) best = i;
    return best - b * vocabulary;
  });
}

/** One step of `ids` [batch][rows], all at positions from `from`. */
function forward(
  session: Session,
  ids: readonly (readonly number[])[],
  from: number,
  cache: Tensors,
): Promise<Tensors> {
  const [batch, rows] = [ids.length, ids[0]!.length];
  const positions = ids.flatMap((row) => row.map((_, i) => from + i));
  const shape = [batch, rows];
  return session.run({ input_ids: integers(ids.flat(), shape), position_ids: integers(positions, shape), ...cache });
}

async function decodeRate(session: Session, batch: number): Promise<number> {
  const prompts = Array.from({ length: batch }, (_, i) => prompt(promptTokens, i));
  let outputs = await forward(session, prompts, 0, emptyCache(batch));
  const times: number[] = [];
  for (let step = 0; step < measuredSteps; step++) {
    const tokens = greedy(outputs, batch);
    const startedAt = performance.now();
    outputs = await forward(
      session,
      tokens.map((token) => [token]),
      promptTokens + step,
      nextCache(outputs),
    );
    greedy(outputs, batch);
    times.push(performance.now() - startedAt);
  }
  return (batch * 1000) / median(times);
}

async function prefillRate(session: Session, length: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    greedy(await forward(session, [prompt(length, round)], 0, emptyCache(1)), 1);
    times.push(performance.now() - startedAt);
  }
  return (length * 1000) / median(times);
}

/** Logits of positions 120 to 127, each computed in a step of its own. */
async function writeLogits(session: Session, path: string): Promise<void> {
  const ids = prompt(promptTokens, 0);
  let outputs = await forward(session, [ids.slice(0, -8)], 0, emptyCache(1));
  const rows: Buffer[] = [];
  for (let position = promptTokens - 8; position < promptTokens; position++) {
    outputs = await forward(session, [[ids[position]!]], position, nextCache(outputs));
    rows.push(Buffer.from(Float32Array.from(outputs.logits!.data).buffer));
  }
  writeFileSync(path, Buffer.concat(rows));
}

async function main([path = '', threads = '1', logitsPath = '']: string[]): Promise<void> {
  const startedAt = performance.now();
  const options = { intraOpNumThreads: Number(threads), graphOptimizationLevel: 'all' };
  const session = await ort.InferenceSession.create(path, options);
  const loadS = (performance.now() - startedAt) / 1000;
  await prefillRate(session, promptTokens);
  const decode: Record<string, number> = {};
  for (const batch of [1, 4, 8, 16]) decode[batch] = await decodeRate(session, batch);
  const prefill: Record<string, number> = {};
  for (const length of [128, 512]) prefill[length] = await prefillRate(session, length);
  const ttftMs = 64_000 / (await prefillRate(session, 64));
  const rssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  await writeLogits(session, logitsPath);
  const backend = `onnxruntime-node ${version}, ${threads} threads`;
  process.stdout.write(`${JSON.stringify({ backend, decode, prefill, ttftMs, rssMb, loadS })}\n`);
}

await main(process.argv.slice(2));
