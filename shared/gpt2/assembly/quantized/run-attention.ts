/** Chunks of attention over quantised keys and values, whichever bits they have. */
import { getArgument } from '../job';
import { attendHead8 } from './attention';
import { attendHead4 } from './attention4';
import { Plan, Step, word } from './plan';

/** As runAttention: by rows of one head where a step holds many rows of a sequence, by heads of one row otherwise. */
export function runQuantizedAttention(
  control: usize, plan: usize, layer: usize, step: usize, scratch: usize, chunk: i32,
): void {
  const rows = word(step, Step.ROWS);
  const heads = word(plan, Plan.HEADS);
  const rowsFirst = word(step, Step.ROWS_FIRST) != 0;
  const isKv4 = word(plan, Plan.KV_BITS) == 4;
  const perChunk = getArgument(control, 7);
  const end = min((chunk + 1) * perChunk, getArgument(control, 6));
  for (let item = chunk * perChunk; item < end; item++) {
    const row = rowsFirst ? item % rows : item / heads;
    const head = rowsFirst ? item / rows : item % heads;
    if (isKv4) attendHead4(plan, layer, step, row, head, scratch);
    else attendHead8(plan, layer, step, row, head, scratch);
  }
}
