/**
 * Measures onnxruntime-node as engine-child.ts measures ours: one JSON line on stdout. CommonJS, because it must find the package in the peers'
 * own folder (NODE_PATH). Arguments: MODEL.onnx THREADS LOGITS_FILE. All sequences of a batch have one length here, as the graph wants it.
 */
'use strict';
const { writeFileSync } = require('node:fs');
const ort = require('onnxruntime-node');

const promptTokens = 128;
const measuredSteps = 48;
const [layers, heads, headWidth, vocabulary] = [12, 12, 64, 50_257];

const prompt = (length, salt) => Array.from({ length }, (_, i) => (i * 7919 + salt * 104_729 + 13) % 256);
const median = (values) => values.sort((a, b) => a - b)[Math.ceil(values.length / 2) - 1];
const cacheNames = Array.from({ length: layers }, (_, layer) => [`k_${layer}`, `v_${layer}`]).flat();
const integers = (values, shape) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

function emptyCache(batch) {
  const empty = () => new ort.Tensor('float32', new Float32Array(0), [batch, heads, 0, headWidth]);
  return Object.fromEntries(cacheNames.map((name) => [`past_${name}`, empty()]));
}

const nextCache = (outputs) =>
  Object.fromEntries(cacheNames.map((name) => [`past_${name}`, outputs[`present_${name}`]]));

function greedy(logits, batch) {
  return Array.from({ length: batch }, (_, b) => {
    let best = b * vocabulary;
    for (let i = best; i < (b + 1) * vocabulary; i++) if (logits[i] > logits[best]) best = i;
    return best - b * vocabulary;
  });
}

/** One step of `ids` [batch][rows], all at positions from `from`. */
function forward(session, ids, from, cache) {
  const [batch, rows] = [ids.length, ids[0].length];
  const positions = ids.flatMap((row) => row.map((_, i) => from + i));
  const shape = [batch, rows];
  return session.run({ input_ids: integers(ids.flat(), shape), position_ids: integers(positions, shape), ...cache });
}

async function decodeRate(session, batch) {
  const prompts = Array.from({ length: batch }, (_, i) => prompt(promptTokens, i));
  let outputs = await forward(session, prompts, 0, emptyCache(batch));
  const times = [];
  for (let step = 0; step < measuredSteps; step++) {
    const tokens = greedy(outputs.logits.data, batch);
    const startedAt = performance.now();
    outputs = await forward(
      session,
      tokens.map((token) => [token]),
      promptTokens + step,
      nextCache(outputs),
    );
    greedy(outputs.logits.data, batch);
    times.push(performance.now() - startedAt);
  }
  return (batch * 1000) / median(times);
}

async function prefillRate(session, length) {
  const times = [];
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    greedy((await forward(session, [prompt(length, round)], 0, emptyCache(1))).logits.data, 1);
    times.push(performance.now() - startedAt);
  }
  return (length * 1000) / median(times);
}

/** Logits of positions 120 to 127, each computed in a step of its own. */
async function writeLogits(session, path) {
  const ids = prompt(promptTokens, 0);
  let outputs = await forward(session, [ids.slice(0, -8)], 0, emptyCache(1));
  const rows = [];
  for (let position = promptTokens - 8; position < promptTokens; position++) {
    outputs = await forward(session, [[ids[position]]], position, nextCache(outputs));
    rows.push(Buffer.from(Float32Array.from(outputs.logits.data).buffer));
  }
  writeFileSync(path, Buffer.concat(rows));
}

async function main([path, threads, logitsPath]) {
  const startedAt = performance.now();
  const options = { intraOpNumThreads: Number(threads), graphOptimizationLevel: 'all' };
  const session = await ort.InferenceSession.create(path, options);
  const loadS = (performance.now() - startedAt) / 1000;
  await prefillRate(session, promptTokens);
  const decode = {};
  for (const batch of [1, 4, 8, 16]) decode[batch] = await decodeRate(session, batch);
  const prefill = {};
  for (const length of [128, 512]) prefill[length] = await prefillRate(session, length);
  const ttftMs = 64_000 / (await prefillRate(session, 64));
  const rssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  await writeLogits(session, logitsPath);
  const backend = `onnxruntime-node ${require('onnxruntime-node/package.json').version}, ${threads} threads`;
  process.stdout.write(`${JSON.stringify({ backend, decode, prefill, ttftMs, rssMb, loadS })}\n`);
}

main(process.argv.slice(2));
