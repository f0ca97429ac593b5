/** What each kind of weights costs in quality: perplexity of the bundled model on the committed held-out text. */
import { fileURLToPath } from 'node:url';
import { nativeAddonPath } from '@inkwell/gpt2/native-addon';
import { heldOutDocuments, lossOf, perplexityOf } from '@inkwell/gpt2/quality';
import { loadModel } from '@inkwell/gpt2/tfjs';

const bundled = fileURLToPath(new URL('../../shared/gpt2/bundled/inkwell-small', import.meta.url));
const kinds = ['none', 'int8', 'int4', 'w4a8'] as const;

export interface QualityRow {
  quantization: (typeof kinds)[number];
  tokens: number;
  perplexity: number;
  /** Relative to f32's perplexity. */
  cost: number;
}

export async function benchQuality(progress: (text: string) => void): Promise<QualityRow[]> {
  const rows: QualityRow[] = [];
  for (const quantization of kinds) {
    progress(`quality: ${quantization}`);
    const { backend, tokenizer } = await loadModel(bundled, {
      quantization,
      // int8 has the same bits in both.
      ...(quantization === 'w4a8' && { backend: 'native', addonPath: await nativeAddonPath() }),
    });
    const loss = await lossOf(backend, await heldOutDocuments(tokenizer));
    await backend.dispose();
    const perplexity = perplexityOf(loss);
    rows.push({
      quantization,
      tokens: loss.tokens,
      perplexity,
      cost: perplexity / (rows[0]?.perplexity ?? perplexity) - 1,
    });
  }
  return rows;
}
