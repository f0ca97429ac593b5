/**
 * Logits of a long text, byte for byte, to compare one backend with another. Fed in chunks of seven, so that tiles are full and not; longer than the 256
 * positions whose values attention sums as integers, where the model can.
 */
import type { BackendOptions } from '../backends/create-backend.ts';
import { loadModel } from '../load-model.ts';
import { promptLogits } from './run-sequence.ts';

export async function chunkedLogits(model: string, options: BackendOptions, length = 270): Promise<Buffer> {
  const { backend, config } = await loadModel(model, { threads: 2, ...options });
  const ids = Array.from({ length: Math.min(length, config.n_positions) }, (_, i) => (i * 37 + 5) % config.vocab_size);
  const rows = await promptLogits(backend, ids, { chunk: 7 });
  await backend.dispose();
  return Buffer.concat(rows.map((row) => Buffer.from(row.buffer)));
}
