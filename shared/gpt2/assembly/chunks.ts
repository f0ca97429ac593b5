/** Which kernel a job runs: what a thread does with the chunk it took. */
import { runAttention } from './attention';
import { KERNEL } from './job';
import { runLinear } from './linear';
import { runLinear8 } from './quantized/linear';
import { LINEAR_8, runPhase8 } from './quantized/step';
import { runEmbed, runLayerNorm, runStoreKv } from './rows';

export const EMBED: i32 = 1;
export const LAYER_NORM: i32 = 2;
export const LINEAR: i32 = 3;
export const STORE_KV: i32 = 4;
export const ATTENTION: i32 = 5;

export function runChunk(control: usize, chunk: i32, thread: i32): void {
  const kernel = load<i32>(control + KERNEL);
  switch (kernel) {
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
    case LINEAR_8:
      return runLinear8(control, chunk, thread);
    default:
      return runPhase8(control, kernel, chunk, thread);
  }
}
