/**
 * What the native add-on computes on this processor, in a process of its own because the processor may be an emulated one. Arguments: path of the
 * add-on, names of parity models. The answer is one JSON line on stdout.
 */
import { createHash } from 'node:crypto';
import { loadAddon } from '../backends/native/addon.ts';
import { isTrusted } from '../backends/native/self-test.ts';
import { chunkedLogits } from './chunked-logits.ts';
import { NATIVE_KINDS } from './native-kinds.ts';
import { testData } from './paths.ts';

export interface NativeReport {
  arch: string;
  /** As the add-on names them, the fastest first. */
  instructions: string[];
  trusted: string[];
  /** SHA-256 of the logits by `<model> <quantization> <KV cache> <instructions>`. */
  logits: Record<string, string>;
}

const [addonPath = '', ...models] = process.argv.slice(2);
const addon = await loadAddon(addonPath);
const instructions = addon.instructions();
const logits: Record<string, string> = {};
for (const model of models) {
  for (const { quantization, kvCache } of NATIVE_KINDS) {
    for (const name of instructions) {
      const options = { backend: 'native', quantization, kvCache, addonPath, instructions: name } as const;
      const bytes = await chunkedLogits(testData(`parity/${model}`), options);
      logits[`${model} ${quantization} ${kvCache} ${name}`] = createHash('sha256').update(bytes).digest('hex');
    }
  }
}
const trusted = instructions.filter((name) => isTrusted(addon, name));
const report: NativeReport = { arch: process.arch, instructions, trusted, logits };
process.stdout.write(`${JSON.stringify(report)}\n`);
