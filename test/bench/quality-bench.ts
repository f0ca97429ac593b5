/** What each kind of weights, and a KV cache in 4 bits, costs in quality: perplexity of the bundled model on the committed held-out text. */
import { fileURLToPath } from 'node:url';
import { nativeAddonPath } from '@inkwell/gpt2/native-addon';
import { heldOutDocuments, lossOf, perplexityOf } from '@inkwell/gpt2/quality';
import { loadModel } from '@inkwell/gpt2/tfjs';

const bundled = fileURLToPath(new URL('../../shared/gpt2/bundled/inkwell-small', import.meta.url));
const kinds = [
  { quantization: 'none' },
  { quantization: 'int8' },
  { quantization: 'int8', kvCache: 'int4' },
  { quantization: 'int4' },
  { quantization: 'w4a8' },
  { quantization: 'w4a8', kvCache: 'int4' },
] as const;

export interface QualityRow {
  quantization: (typeof kinds)[number]['quantization'];
  kvCache: 'f32' | 'int8' | 'int4';
  tokens: number;
  perplexity: number;
  /** Relative to f32's perplexity. */
  cost: number;
}

export async function benchQuality(progress: (text: string) => void): Promise<QualityRow[]> {
  const rows: QualityRow[] = [];
  for (const kind of kinds) {
    const { quantization } = kind;
    progress(`quality: ${Object.values(kind).join(', KV ')}`);
    const { backend, tokenizer } = await loadModel(bundled, {
      ...kind,
      // int8 has the same bits in both.
      ...(quantization === 'w4a8' && { backend: 'native', addonPath: await nativeAddonPath() }),
    });
    const loss = await lossOf(backend, await heldOutDocuments(tokenizer));
    await backend.dispose();
    const perplexity = perplexityOf(loss);
    rows.push({
      quantization,
      kvCache: backend.info.kvCache,
      tokens: loss.tokens,
      perplexity,
      cost: perplexity / (rows[0]?.perplexity ?? perplexity) - 1,
    });
  }
  return rows;
}
