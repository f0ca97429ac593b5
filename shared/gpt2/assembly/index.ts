/**
 * The kernels' entry points, and how a job is shared between threads: every thread takes the next chunk by
 * compare-and-swap on the ticket until none is left. A thread that the system holds up delays only the chunk it has
 * taken; one that wakes late finds nothing to take. The main thread returns when all chunks are finished.
 */
import { prepareAttention, runAttention } from './attention';
import { CHUNKS, DONE, GENERATION, KERNEL, MAIN_WAITS, SLEEPERS, STOP, TICKET } from './job';
import { prepareLinear, runLinear, SCRATCH_BYTES } from './linear';
import { prepareEmbed, prepareLayerNorm, prepareStoreKv, runEmbed, runLayerNorm, runStoreKv } from './rows';

const EMBED: i32 = 1;
const LAYER_NORM: i32 = 2;
const LINEAR: i32 = 3;
const STORE_KV: i32 = 4;
const ATTENTION: i32 = 5;

/** Looks at a changing word before going to sleep: about 20 µs, longer than the main thread needs between kernels. */
const SPINS: i32 = 20000;

function runChunk(control: usize, chunk: i32, thread: i32): void {
  switch (load<i32>(control + KERNEL)) {
    case EMBED:
      return runEmbed(control, chunk);
    case LAYER_NORM:
      return runLayerNorm(control, chunk);
    case LINEAR:
      return runLinear(control, chunk, thread);
    case STORE_KV:
      return runStoreKv(control, chunk);
    case ATTENTION:
      return runAttention(control, chunk, thread);
  }
}

/** Takes chunks until none is left. */
function work(control: usize, thread: i32): void {
  for (;;) {
    const ticket = atomic.load<i64>(control + TICKET);
    if (<i32>ticket == 0) return;
    // Success proves that the job whose ticket was read is still the current one, so its arguments may be read now.
    if (atomic.cmpxchg<i64>(control + TICKET, ticket, ticket - 1) != ticket) continue;
    const chunks = load<i32>(control + CHUNKS);
    runChunk(control, chunks - <i32>ticket, thread);
    const done = atomic.add<i32>(control + DONE, 1) + 1;
    if (done == chunks && atomic.load<i32>(control + MAIN_WAITS) != 0) atomic.notify(control + DONE, 1);
  }
}

/** Main thread's naps of a millisecond without any chunk finishing, after which a thread must have died: two minutes. */
const MAX_NAPS: i32 = 120000;

/** Returns when all chunks are finished; traps if a thread died with a chunk, which would otherwise mean waiting for ever. */
function awaitDone(control: usize, chunks: i32): void {
  for (let spins = 0; spins < SPINS; spins++) {
    if (atomic.load<i32>(control + DONE) == chunks) return;
  }
  atomic.store<i32>(control + MAIN_WAITS, 1);
  let naps = 0;
  for (let done = atomic.load<i32>(control + DONE); done != chunks; ) {
    atomic.wait<i32>(control + DONE, done, 1_000_000);
    const now = atomic.load<i32>(control + DONE);
    naps = now == done ? naps + 1 : 0;
    if (naps == MAX_NAPS) unreachable();
    done = now;
  }
  atomic.store<i32>(control + MAIN_WAITS, 0);
}

function dispatch(control: usize, kernel: i32, chunks: i32): void {
  store<i32>(control + KERNEL, kernel);
  store<i32>(control + CHUNKS, chunks);
  if (chunks == 1) {
    runChunk(control, 0, 0);
    return;
  }
  atomic.store<i32>(control + DONE, 0);
  const generation = (atomic.load<i64>(control + TICKET) >> 32) + 1;
  atomic.store<i64>(control + TICKET, (generation << 32) | <i64>chunks);
  if (atomic.load<i32>(control + SLEEPERS) > 0) atomic.notify(control + GENERATION, -1);
  work(control, 0);
  awaitDone(control, chunks);
}

/** Body of a worker thread: returns once `stop` was called. */
export function serve(control: usize, thread: i32): void {
  while (atomic.load<i32>(control + STOP) == 0) {
    const generation = atomic.load<i32>(control + GENERATION);
    work(control, thread);
    let spins = 0;
    while (spins < SPINS && atomic.load<i32>(control + GENERATION) == generation) spins++;
    if (spins < SPINS) continue;
    atomic.add<i32>(control + SLEEPERS, 1);
    atomic.wait<i32>(control + GENERATION, generation, -1);
    atomic.sub<i32>(control + SLEEPERS, 1);
  }
}

/** Makes every worker thread leave `serve`. No job may be running. */
export function stop(control: usize): void {
  atomic.store<i32>(control + STOP, 1);
  atomic.add<i32>(control + GENERATION, 1);
  atomic.notify(control + GENERATION, -1);
}

/** Bytes of scratch memory `linear` needs per thread. */
export function linearScratchBytes(): i32 {
  return <i32>SCRATCH_BYTES;
}

export function embed(
  control: usize, tokens: usize, positions: usize, wte: usize, wpe: usize, out: usize, rows: i32, width: i32, rowsPerChunk: i32,
): void {
  dispatch(control, EMBED, prepareEmbed(control, tokens, positions, wte, wpe, out, rows, width, rowsPerChunk));
}

export function layerNorm(
  control: usize, x: usize, selection: usize, gain: usize, bias: usize, out: usize, epsilon: f32, rows: i32, width: i32,
  rowsPerChunk: i32,
): void {
  dispatch(control, LAYER_NORM, prepareLayerNorm(control, x, selection, gain, bias, out, epsilon, rows, width, rowsPerChunk));
}

export function linear(
  control: usize, x: usize, weight: usize, bias: usize, residual: usize, out: usize, scratch: usize, rows: i32, depth: i32,
  columns: i32, activation: i32, panelsPerChunk: i32,
): void {
  dispatch(
    control, LINEAR,
    prepareLinear(control, x, weight, bias, residual, out, scratch, rows, depth, columns, activation, panelsPerChunk),
  );
}

export function storeKv(
  control: usize, qkv: usize, slots: usize, keys: usize, values: usize, rows: i32, heads: i32, headWidth: i32, blockSize: i32,
  rowsPerChunk: i32,
): void {
  dispatch(control, STORE_KV, prepareStoreKv(control, qkv, slots, keys, values, rows, heads, headWidth, blockSize, rowsPerChunk));
}

export function attention(
  control: usize, qkv: usize, keys: usize, values: usize, tables: usize, sequences: usize, positions: usize, out: usize,
  scratch: usize, scale: f32, rows: i32, heads: i32, headWidth: i32, blockSize: i32, tableWidth: i32, scratchWidth: i32,
  itemsPerChunk: i32, rowsFirst: i32,
): void {
  dispatch(
    control, ATTENTION,
    prepareAttention(
      control, qkv, keys, values, tables, sequences, positions, out, scratch, scale, rows, heads, headWidth, blockSize,
      tableWidth, scratchWidth, itemsPerChunk, rowsFirst,
    ),
  );
}
