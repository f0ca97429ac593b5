/**
 * How a job is shared between threads: every thread takes the next chunk by compare-and-swap on the ticket until none is left. A
 * thread that the system holds up delays only the chunk it has taken; one that wakes late finds nothing to take. The main thread
 * returns when all chunks are finished.
 */
import { runChunk } from './chunks';
import { CHUNKS, DONE, GENERATION, KERNEL, MAIN_WAITS, SLEEPERS, STOP, TICKET } from './job';

/** Looks at a changing word before going to sleep: about 20 µs, longer than the main thread needs between kernels. */
const SPINS: i32 = 20000;

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

export function dispatch(control: usize, kernel: i32, chunks: i32): void {
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
