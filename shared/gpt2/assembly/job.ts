/**
 * Layout of the control block through which the main thread hands a job (one kernel call, cut into chunks) to all
 * threads. Which thread takes which chunk varies from run to run; what a chunk computes does not.
 */

/** i64: generation in the high half, chunks not yet taken in the low half. */
export const TICKET: usize = 0;
/** i32: the ticket's high half, on which idle threads wait. */
export const GENERATION: usize = 4;
/** i32: chunks finished. */
export const DONE: usize = 8;
/** i32: threads asleep, waiting for a generation. */
export const SLEEPERS: usize = 12;
/** i32: 1 while the main thread sleeps, waiting for DONE. */
export const MAIN_WAITS: usize = 16;
/** i32: set to 1 to make threads leave. */
export const STOP: usize = 20;
/** i32: which kernel. */
export const KERNEL: usize = 64;
/** i32: chunks in all. */
export const CHUNKS: usize = 68;
/** The kernel's own arguments, one i32 or f32 each. */
export const ARGUMENTS: usize = 72;

@inline
export function getArgument(control: usize, index: i32): i32 {
  return load<i32>(control + ARGUMENTS + (<usize>index << 2));
}

@inline
export function setArgument(control: usize, index: i32, value: i32): void {
  store<i32>(control + ARGUMENTS + (<usize>index << 2), value);
}

@inline
export function getFloatArgument(control: usize, index: i32): f32 {
  return load<f32>(control + ARGUMENTS + (<usize>index << 2));
}

@inline
export function setFloatArgument(control: usize, index: i32, value: f32): void {
  store<f32>(control + ARGUMENTS + (<usize>index << 2), value);
}
