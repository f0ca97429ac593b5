/**
 * The native accelerator on 64-bit Arm: compiled for it, loaded by a Node for it, and run on processors with and without the dot product. Its logits are
 * compared with those of WebAssembly, and for w4a8 of the portable kernels, on this machine.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { ensureArmMachine, runOnArm } from '../../testing/arm-machine.ts';
import { chunkedLogits } from '../../testing/chunked-logits.ts';
import { BUILD_TIMEOUT_MS, nativeAddonPath } from '../../testing/native-addon.ts';
import { NATIVE_KINDS } from '../../testing/native-kinds.ts';
import type { NativeReport } from '../../testing/native-report.ts';
import { PARITY_MODELS } from '../../testing/parity-fixture.ts';
import { testData } from '../../testing/paths.ts';

const SCRIPT = fileURLToPath(new URL('../../testing/native-report.ts', import.meta.url));
/** Emulation takes ten times as long as the processor would, on a busy machine more. */
const RUN_TIMEOUT_MS = 240_000;

let armAddon: string;
/** SHA-256 of the logits by `<model> <quantization> <KV cache>`. */
const expected = new Map<string, string>();

beforeAll(async () => {
  const [addonPath, forArm] = [await nativeAddonPath(), await nativeAddonPath('arm64')];
  armAddon = forArm;
  await ensureArmMachine();
  for (const model of PARITY_MODELS) {
    for (const kind of NATIVE_KINDS) {
      const here =
        kind.quantization === 'w4a8'
          ? ({ backend: 'native', addonPath, instructions: 'portable' } as const)
          : ({ backend: 'wasm' } as const);
      const logits = await chunkedLogits(testData(`parity/${model}`), { ...here, ...kind });
      const name = `${model} ${kind.quantization} ${kind.kvCache}`;
      expected.set(name, createHash('sha256').update(logits).digest('hex'));
    }
  }
}, 2 * BUILD_TIMEOUT_MS);

it.each([
  { cpu: 'cortex-a53', kernels: ['neon', 'portable'], models: PARITY_MODELS.slice(0, 2) },
  { cpu: 'max', kernels: ['neon-dotprod', 'neon', 'portable'], models: PARITY_MODELS },
])(
  '$cpu: $kernels give the same bits as here',
  async ({ cpu, kernels, models }) => {
    const report = JSON.parse(await runOnArm(cpu, SCRIPT, [armAddon, ...models])) as NativeReport;
    expect(report.arch).toBe('arm64');
    if (process.arch !== 'arm64') expect(report.instructions).toEqual(kernels);
    expect(report.trusted).toEqual(report.instructions);
    const wanted = models.flatMap((model) =>
      NATIVE_KINDS.map(({ quantization, kvCache }) => `${model} ${quantization} ${kvCache}`).flatMap((kind) =>
        report.instructions.map((name) => [`${kind} ${name}`, expected.get(kind)]),
      ),
    );
    expect(report.logits).toEqual(Object.fromEntries(wanted));
  },
  RUN_TIMEOUT_MS,
);
