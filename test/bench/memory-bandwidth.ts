/**
 * How fast threads read memory, by a SIMD loop in WebAssembly over more than any cache holds: what decoding at batch 1 cannot exceed is this
 * divided by the bytes of the weights. A module of a few bytes, written by hand below.
 */
import { Worker } from 'node:worker_threads';

const PAGES = 4096;
const PASSES = 4;

/**
 * (module (memory (import "env" "memory") 1 65536 shared) (func (export "read") (param $at i32) (param $end i32) (result v128)
 *   (local $sum v128) (loop (local.set $sum (v128.xor (local.get $sum) (v128.load (local.get $at)))) … four loads, $at += 64,
 *   (br_if 0 (i32.lt_u (local.get $at) (local.get $end)))) …)): the sum is reduced to i32 so that JavaScript can take it.
 */
function readerModule(): Uint8Array<ArrayBuffer> {
  const load = (offset: number) => [0x20, 0x02, 0x20, 0x00, 0xfd, 0x00, 0x04, offset, 0xfd, 0x51, 0x21, 0x02];
  const loop = [
    ...[0, 16, 32, 48].flatMap(load),
    ...[0x20, 0x00, 0x41, 0xc0, 0x00, 0x6a, 0x22, 0x00], // at += 64
    ...[0x20, 0x01, 0x49, 0x0d, 0x00], // again while at < end
  ];
  const body = [0x01, 0x01, 0x7b, 0x03, 0x40, ...loop, 0x0b, 0x20, 0x02, 0xfd, 0x1b, 0x00, 0x0b];
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const section = (id: number, content: number[]) => [id, content.length, ...content];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
    ...section(2, [1, ...text('env'), ...text('memory'), 0x02, 0x03, 0x01, 0x80, 0x80, 0x04]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('read'), 0x00, 0x00]),
    ...section(10, [1, body.length, ...body]),
  ]);
}

const workerCode = `
const { parentPort, workerData: { module, memory, from, to } } = require('node:worker_threads');
const { read } = new WebAssembly.Instance(module, { env: { memory } }).exports;
read(from, to);
parentPort.on('message', (passes) => { for (let i = 0; i < passes; i++) read(from, to); parentPort.postMessage('done'); });
parentPort.postMessage('ready');
`;

const next = (worker: Worker) =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });

/** Bytes per second, the best of three. */
async function bandwidthOf(threads: number, memory: WebAssembly.Memory, module: WebAssembly.Module): Promise<number> {
  const share = Math.floor((PAGES * 65536) / threads / 64) * 64;
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData = { module, memory, from: i * share, to: (i + 1) * share };
    return new Worker(workerCode, { eval: true, workerData });
  });
  try {
    await Promise.all(workers.map(next));
    let best = 0;
    for (let round = 0; round < 3; round++) {
      const startedAt = performance.now();
      const done = workers.map(next);
      for (const worker of workers) worker.postMessage(PASSES);
      await Promise.all(done);
      best = Math.max(best, (PASSES * share * threads * 1000) / (performance.now() - startedAt));
    }
    return best;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

export async function measureReadBandwidth(threads: number): Promise<{ one: number; all: number }> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
  // Pages nobody wrote are all the same page of zeros, which stays in the cache.
  new Uint32Array(memory.buffer).fill(1);
  const module = new WebAssembly.Module(readerModule());
  return { one: await bandwidthOf(1, memory, module), all: await bandwidthOf(threads, memory, module) };
}
