/**
 * The native accelerator: the same bits as WebAssembly on every instruction set this processor has, and clear words where it cannot be used. Batch
 * invariance is tested with the other backends' (../invariance.test.ts).
 */
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../load-model.ts';
import { writeRandomModel } from '../../random-model.ts';
import { chunkedLogits } from '../../testing/chunked-logits.ts';
import { BUILD_TIMEOUT_MS, nativeAddonPath } from '../../testing/native-addon.ts';
import { PARITY_MODELS } from '../../testing/parity-fixture.ts';
import { testData } from '../../testing/paths.ts';
import { stepOf, tableFrom } from '../../testing/run-sequence.ts';
import { type Addon, loadAddon } from './addon.ts';
import { isTrusted, trustedInstructions } from './self-test.ts';

let addonPath: string;
let addon: Addon;
beforeAll(async () => {
  addonPath = await nativeAddonPath();
  addon = await loadAddon(addonPath);
}, BUILD_TIMEOUT_MS);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-native-test-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('int8', () => {
  it.each(PARITY_MODELS)(
    '%s: every instruction set gives the bits of WebAssembly, with either KV cache',
    async (name) => {
      const model = testData(`parity/${name}`);
      const seen: Buffer[] = [];
      for (const kvCache of ['int8', 'int4'] as const) {
        const options = { quantization: 'int8', kvCache } as const;
        const expected = await chunkedLogits(model, { backend: 'wasm', ...options });
        for (const instructions of addon.instructions()) {
          const actual = await chunkedLogits(model, { backend: 'native', ...options, addonPath, instructions });
          expect(actual.equals(expected), `${kvCache} ${instructions}`).toBe(true);
        }
        seen.push(expected);
      }
      expect(seen[0]!.equals(seen[1]!)).toBe(false);
    },
  );

  it('an image that WebAssembly kept on disk serves, and the other way round', async () => {
    const [model, cacheDirectory] = [join(directory, 'model'), join(directory, 'cache')];
    const shape = { n_layer: 2, n_head: 2, n_embd: 24, n_positions: 32, vocab_size: 300 };
    await writeRandomModel(model, shape, { seed: 1 });
    const expected = await chunkedLogits(model, { backend: 'wasm', cacheDirectory });
    const seen: string[] = [];
    const onProgress = ({ tensor }: { tensor: string }) => seen.push(tensor);
    expect(
      (await chunkedLogits(model, { backend: 'native', addonPath, cacheDirectory, onProgress })).equals(expected),
    ).toBe(true);
    expect(new Set(seen)).toEqual(new Set(['quantised image']));
    expect(await readdir(cacheDirectory)).toHaveLength(1);
    await chunkedLogits(model, { backend: 'native', addonPath, quantization: 'w4a8', cacheDirectory });
    expect(await readdir(cacheDirectory)).toHaveLength(2);
    expect((await chunkedLogits(model, { backend: 'wasm', cacheDirectory })).equals(expected)).toBe(true);
  });
});

describe('w4a8', () => {
  it.each(PARITY_MODELS)('%s: every instruction set gives the bits of the portable kernels', async (name) => {
    for (const kvCache of ['int8', 'int4'] as const) {
      const options = { backend: 'native', quantization: 'w4a8', kvCache, addonPath } as const;
      const expected = await chunkedLogits(testData(`parity/${name}`), { ...options, instructions: 'portable' });
      for (const instructions of addon.instructions()) {
        const actual = await chunkedLogits(testData(`parity/${name}`), { ...options, instructions });
        expect(actual.equals(expected), `${kvCache} ${instructions}`).toBe(true);
      }
    }
  });
});

describe('which kernels are trusted', () => {
  it('those of every instruction set test themselves right, and the fastest is taken', () => {
    for (const instructions of addon.instructions()) expect(isTrusted(addon, instructions), instructions).toBe(true);
    expect(trustedInstructions(addon)).toBe(addon.instructions()[0]);
  });

  it('kernels that compute one bit differently are passed over', () => {
    let steps = 0;
    const broken: Addon = {
      ...addon,
      instructions: () => ['broken', 'portable'],
      create: (description, name) => {
        if (name === 'broken') steps = 1000;
        return addon.create(description, 'portable');
      },
      forward: (...args) => {
        addon.forward(...args);
        const logits = args.at(-1) as Float32Array;
        if (steps-- > 0) new Uint32Array(logits.buffer)[5]! ^= 1;
      },
    };
    expect(trustedInstructions(broken)).toBe('portable');
  });
});

describe('where it cannot be used', () => {
  const model = testData('parity/plain-f32');

  it('says that it was not built', async () => {
    const loading = loadModel(model, { backend: 'native', addonPath: join(directory, 'none.node') });
    await expect(loading).rejects.toThrow('the native backend cannot be used: it was not built (npm run build:native)');
  });

  it('says that it was built from other sources', async () => {
    const other = join(directory, 'other.node');
    await copyFile(addonPath, other);
    const exports = createRequire(import.meta.url)(other) as { sourceHash: string };
    exports.sourceHash = '0'.repeat(64);
    await expect(loadModel(model, { backend: 'native', addonPath: other })).rejects.toThrow('built from other sources');
  });

  it.each([
    [{ quantization: 'none' }, 'quantization none: the native backend has int8 and w4a8'],
    [{ quantization: 'w4a8', blockSize: 12 }, 'w4a8: blockSize must be a multiple of 8, got 12'],
    [{ threads: 0 }, 'threads must be a whole number from 1, got 0'],
    [{ blockCount: 1.5 }, 'blockCount must be a whole number from 1, got 1.5'],
  ] as const)('%o is refused', async (options, message) => {
    await expect(loadModel(model, { backend: 'native', addonPath, ...options })).rejects.toThrow(message);
  });

  it('w4a8 is refused by who has none', async () => {
    const loading = loadModel(model, { backend: 'wasm', quantization: 'w4a8' });
    await expect(loading).rejects.toThrow('quantization w4a8: only the native backend has it');
  });

  it('a step that does not fit is refused before it becomes an address, and one after dispose as well', async () => {
    const { backend } = await loadModel(model, { backend: 'native', addonPath });
    const table = tableFrom(backend);
    const good = stepOf([{ ids: [1, 2], from: 0, table }], 'all');
    await expect(backend.forward({ ...good, tokens: Int32Array.of(1, 1e6) })).rejects.toThrow(RangeError);
    await expect(backend.forward({ ...good, positions: Int32Array.of(0, 1e6) })).rejects.toThrow(RangeError);
    await expect(backend.forward({ ...good, blockTables: [Int32Array.of(1e6)] })).rejects.toThrow(RangeError);
    expect(await backend.forward(good)).toHaveLength(2);
    await backend.dispose();
    await backend.dispose();
    await expect(backend.forward(good)).rejects.toThrow('the model backend was disposed');
  });

  it('the add-on itself refuses what is no session, no such array or of another length', () => {
    expect(() => addon.threads({} as never)).toThrow(TypeError);
    expect(() => addon.create(Float64Array.of(1, 2, 3), 'portable')).toThrow('the description is too short');
    expect(() => addon.create(new Float64Array(40).fill(1), 'portable')).toThrow(TypeError);
    expect(() => addon.create(new Float64Array(40), 'sse9')).toThrow('this processor has none of that name');
  });
});
