/**
 * The webgpu backend as a whole, on SwiftShader: it agrees with transformers, keeps the promise of batch invariance, submits a step at once, and says what is wrong when
 * packages, card or device fail. Models are small and texts short, since a processor plays the graphics card.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelBackend, StepBatch } from '@inkwell/ports';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../config.ts';
import { loadModel } from '../../load-model.ts';
import { writeRandomModel } from '../../random-model.ts';
import { philox4x32 } from '../../sampling/philox.ts';
import { maxDifference, PARITY_MODELS, parityFixture } from '../../testing/parity-fixture.ts';
import { greedy, promptLogits, stepOf, tableFrom } from '../../testing/run-sequence.ts';
import { INSTALL_TIMEOUT_MS, softwareWebgpuPath } from '../../testing/software-webgpu.ts';
import type { BackendOptions } from '../create-backend.ts';
import { on } from '../tfjs/platform.ts';
import { type GpuLimits, refuseBeyondLimits } from './limits.ts';
import { acquireWebgpu, type WebgpuRuntime } from './runtime.ts';

const SEED = Number(process.env.TEST_SEED ?? 20260101);
/** Compiling a model's kernels on a busy processor. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let webgpuPath: string;
beforeAll(async () => {
  webgpuPath = await softwareWebgpuPath();
}, INSTALL_TIMEOUT_MS);

const load = async (directory: string, options: BackendOptions = {}) =>
  (await loadModel(directory, { backend: 'webgpu', webgpuPath, ...options })).backend;

describe('parity with transformers', () => {
  const drawn = 3;

  it.each(PARITY_MODELS)('%s: logits differ by at most 1e-3, greedy ids are the same', async (name) => {
    const fixture = await parityFixture(name);
    const backend = await load(fixture.directory);
    expect(backend.info).toMatchObject({ name: 'webgpu', quantization: 'none' });
    const rows = await promptLogits(backend, fixture.prompt);
    expect(fixture.logits.size).toBeGreaterThan(0);
    for (const [position, logits] of fixture.logits)
      expect(maxDifference(rows[position]!, logits), `position ${position}`).toBeLessThanOrEqual(1e-3);
    expect(await greedy(backend, fixture.prompt, drawn)).toEqual(fixture.greedy.slice(0, drawn));
    await backend.dispose();
  });
});

const VOCAB_SIZE = 301;
const SHAPE = { n_layer: 2, n_head: 3, n_embd: 42, n_positions: 96, n_inner: 90, vocab_size: VOCAB_SIZE };
/** Keeps the device, and with it the compiled kernels, between the models of a suite. */
function holdDevice(): void {
  let runtime: WebgpuRuntime;
  beforeAll(async () => {
    runtime = await acquireWebgpu(webgpuPath);
  });
  afterAll(() => runtime.release());
}

/** Past the first tile of attention. */
const LENGTH = 70;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-webgpu-'));
  await writeRandomModel(directory, SHAPE, { seed: SEED });
});
afterAll(() => rm(directory, { recursive: true }));

const tokens = (stream: number, length: number) =>
  Array.from({ length }, (_, i) => philox4x32([i, stream, 0, 0], [SEED, 0])[0] % VOCAB_SIZE);

describe.each(['none', 'int8'] as const)(`batch invariance, quantization %s (seed ${SEED})`, (quantization) => {
  holdDevice();
  const prompt = tokens(0, LENGTH);
  let backend: ModelBackend;
  let alone: Float32Array[];

  beforeAll(async () => {
    backend = await load(directory, { quantization });
    expect(backend.info.device).toMatch(/8 rows together$/);
    alone = await promptLogits(backend, prompt, { chunk: 1 });
  });
  afterAll(() => backend.dispose());

  it.each([2, 7, 33, LENGTH])('a prompt fed %i tokens at a time gives the bits of one at a time', async (chunk) => {
    expect(await promptLogits(backend, prompt, { chunk })).toEqual(alone);
  });

  it('other blocks of the cache, and of another size, give the same bits', async () => {
    const table = tableFrom(backend).map((block) => (block * 5 + 2) % backend.info.blockCount);
    expect(await promptLogits(backend, prompt, { chunk: 50, table })).toEqual(alone);
    const other = await load(directory, { quantization, blockSize: 5 });
    expect(await promptLogits(other, prompt)).toEqual(alone);
    await other.dispose();
  });

  it('neighbours of ragged lengths, decoding and prefilling, change no bit', async () => {
    const perTable = tableFrom(backend).length;
    const others = Array.from({ length: 11 }, (_, i) => tokens(i + 1, 1 + ((i * 29) % LENGTH)));
    const rows: Float32Array[] = [];
    for (let from = 0; from < LENGTH; from += 10) {
      const slices = others.map((ids, i) => {
        const stride = 1 + (i % 5);
        const start = ((from / 10) * stride) % ids.length;
        const table = tableFrom(backend, (i + 1) * perTable);
        return { ids: ids.slice(start, start + stride), from: start, table };
      });
      slices.splice(6, 0, { ids: prompt.slice(from, from + 10), from, table: tableFrom(backend) });
      const step = stepOf(slices, 'all');
      const logits = await backend.forward(step);
      rows.push(...logits.filter((_, row) => step.sequences[row] === 6));
    }
    expect(rows).toEqual(alone);
  });

  it('blocks that another sequence filled serve a text that begins alike', async () => {
    const { blockSize, blockCount } = backend.info;
    const shared = 2 * blockSize;
    await promptLogits(backend, prompt.slice(0, shared));
    const own = tableFrom(backend).map((block, i) => (i < 2 ? block : blockCount - 1 - block));
    const ids = prompt.slice(shared);
    expect(await backend.forward(stepOf([{ ids, from: shared, table: own }], 'all'))).toEqual(alone.slice(shared));
  });

  it('a step too large for one submission is cut, and gives the same bits', async () => {
    const perTable = tableFrom(backend).length;
    const slices = Array.from({ length: 8 }, (_, s) => ({
      ids: s === 7 ? prompt : tokens(s + 1, 66),
      from: 0,
      table: tableFrom(backend, s * perTable),
    }));
    const step = stepOf(slices, 'last');
    expect(step.tokens.length).toBeGreaterThan(512);
    const wanted = Int32Array.of(0, ...step.logitsRows);
    const logits = await backend.forward({ ...step, logitsRows: wanted });
    expect(logits.length).toBe(9);
    expect(logits.at(-1)).toEqual(alone.at(-1));
    const [first] = await promptLogits(backend, slices[0]!.ids.slice(0, 1));
    expect(logits[0]).toEqual(first);
  });

  it('steps asked for at once take turns', async () => {
    const table = tableFrom(backend);
    const steps = prompt.slice(0, 4).map((id, from) => stepOf([{ ids: [id], from, table }], 'last'));
    expect((await Promise.all(steps.map((step) => backend.forward(step)))).flat()).toEqual(alone.slice(0, 4));
  });
});

describe('a loaded model', () => {
  holdDevice();

  it('int8 weights stay near those they were rounded from', async () => {
    const ids = tokens(9, 12);
    const exact = await load(directory);
    const rounded = await load(directory, { quantization: 'int8' });
    expect(rounded.info.quantization).toBe('int8');
    const [a, b] = [await promptLogits(exact, ids), await promptLogits(rounded, ids)];
    const size = Math.max(...a.map((row) => Math.max(...row.map(Math.abs))));
    for (const [i, row] of a.entries()) expect(maxDifference(row, b[i]!)).toBeLessThan(0.05 * size);
    await exact.dispose();
    await rounded.dispose();
  });

  it('submits a step once, and reads back nothing that nobody wants', async () => {
    const backend = await load(directory);
    const runtime = await acquireWebgpu(webgpuPath);
    const { queue } = runtime.device;
    const submitted: number[] = [];
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      submitted.push([...buffers].length);
      return submit(buffers);
    };
    const step = stepOf([{ ids: [1, 2, 3], from: 0, table: tableFrom(backend) }], 'last');
    expect((await backend.forward(step)).map((row) => row.length)).toEqual([VOCAB_SIZE]);
    expect(await backend.forward({ ...step, logitsRows: new Int32Array(0) })).toEqual([]);
    expect(submitted).toEqual([1, 1]);
    queue.submit = submit;
    runtime.release();
    await backend.dispose();
  });

  it('leaks no tensor however often it steps, and frees all on dispose', async () => {
    const runtime = await acquireWebgpu(webgpuPath);
    const tensors = () => on(runtime.platform, () => memory().numTensors);
    const before = tensors();
    const backend = await load(directory);
    await greedy(backend, [1, 2, 3], 2);
    const resident = tensors();
    expect(resident).toBeGreaterThan(before);
    await greedy(backend, [1, 2, 3, 4, 5], 6);
    expect(tensors()).toBe(resident);
    await backend.dispose();
    await backend.dispose();
    expect(tensors()).toBe(before);
    runtime.release();
    const step = stepOf([{ ids: [1], from: 0, table: tableFrom(backend) }], 'last');
    await expect(backend.forward(step)).rejects.toThrow('disposed');
  });

  it('refuses a step that would reach outside its memory, and goes on', async () => {
    const backend = await load(directory, { blockCount: 4 });
    const good = stepOf([{ ids: [1, 2], from: 0, table: Int32Array.of(0, 1) }], 'last');
    const expected = await backend.forward(good);
    const bad: [string, Partial<StepBatch>][] = [
      ['token 301', { tokens: Int32Array.of(1, 301) }],
      ['block 4 does not exist', { blockTables: [Int32Array.of(0, 4)] }],
      ['3 logits of 2 rows', { logitsRows: Int32Array.of(0, 1, 1) }],
    ];
    for (const [message, change] of bad) {
      await expect(backend.forward({ ...good, ...change })).rejects.toThrow(message);
    }
    expect(await backend.forward(good)).toEqual(expected);
    await backend.dispose();
  });
});

describe('refusals', () => {
  it('a damaged checkpoint, which leaves nothing behind', async () => {
    const runtime = await acquireWebgpu(webgpuPath);
    const damaged = await mkdtemp(join(tmpdir(), 'inkwell-webgpu-'));
    await writeRandomModel(damaged, { ...SHAPE, n_layer: 1 }, { seed: SEED });
    await writeFile(join(damaged, 'config.json'), JSON.stringify({ ...SHAPE, n_layer: 2 }));
    await expect(load(damaged)).rejects.toThrow('tensor h.1.ln_1.weight: is missing');
    expect(on(runtime.platform, () => memory().numTensors)).toBe(0);
    await rm(damaged, { recursive: true });
    runtime.release();
  });

  it('where the packages are not installed, with the command that installs them', async () => {
    await expect(load(directory, { webgpuPath: join(directory, 'nothing') })).rejects.toThrow(
      'backend webgpu is not installed on this machine: run npm run install:webgpu',
    );
  });

  if (process.platform === 'linux') {
    it('where Vulkan has no driver', async () => {
      const { VK_ICD_FILENAMES } = process.env;
      process.env.VK_ICD_FILENAMES = join(directory, 'no-driver.json');
      await expect(load(directory)).rejects.toThrow('no graphics card can be used');
      process.env.VK_ICD_FILENAMES = VK_ICD_FILENAMES ?? '';
      await (await load(directory)).dispose();
    });
  }

  it.each(['int4', 'w4a8'] as const)('quantization %s', async (quantization) => {
    await expect(load(directory, { quantization })).rejects.toThrow('the webgpu backend has none and int8');
  });

  it.each([{ blockSize: 0 }, { blockCount: 1.5 }])('the options %j', async (options) => {
    await expect(load(directory, options)).rejects.toThrow(`${Object.keys(options)[0]} must be a whole number from 1`);
  });

  describe('what a card does not allow, before anything is allocated', () => {
    const gpt2 = parseConfig({ n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024, vocab_size: 50257 });
    const small: GpuLimits = {
      maxBufferSize: 2 ** 28,
      maxStorageBufferBindingSize: 2 ** 27,
      maxComputeWorkgroupsPerDimension: 65535,
    };
    const sizes = { weights: 'f32', blockSize: 16, blockCount: 64 } as const;

    it('a matrix too large for one buffer, and that int8 is not', () => {
      expect(() => refuseBeyondLimits(gpt2, sizes, small)).toThrow(
        'wte.weight takes 155 MB in one buffer, this graphics card allows 135 MB: use quantization int8 (39 MB)',
      );
      refuseBeyondLimits(gpt2, { ...sizes, weights: 'int8' }, small);
      const tiny = { ...small, maxStorageBufferBindingSize: 2 ** 25 };
      expect(() => refuseBeyondLimits(gpt2, sizes, tiny)).toThrow('use another backend');
    });

    it('a KV cache too large for one buffer', () => {
      const many = { ...sizes, weights: 'int8', blockCount: 4096 } as const;
      expect(() => refuseBeyondLimits(gpt2, many, small)).toThrow('use fewer KV blocks (now 4096)');
    });

    it('heads wider than its kernels take', () => {
      const wide = { ...gpt2, n_head: 2 };
      expect(() => refuseBeyondLimits(wide, sizes, small)).toThrow('heads of 384 are too wide');
    });
  });
});

describe('a device that is lost', () => {
  let backend: ModelBackend | undefined;
  afterEach(() => backend?.dispose());

  it('fails the steps on it with what to do, and the next model gets another device', async () => {
    const lost = await load(directory);
    const runtime = await acquireWebgpu(webgpuPath);
    const step = stepOf([{ ids: [1, 2, 3], from: 0, table: tableFrom(lost) }], 'last');
    const expected = await lost.forward(step);
    runtime.device.destroy();
    await runtime.device.lost;
    await expect(lost.forward(step)).rejects.toThrow(/graphics device was lost \(.*\): the engine starts anew/);
    backend = await load(directory);
    expect(await backend.forward(step)).toEqual(expected);
    await lost.dispose();
    runtime.release();
    expect(await backend.forward(step)).toEqual(expected);
  });

  it('fails the step that was under way, too', async () => {
    const lost = await load(directory);
    const runtime = await acquireWebgpu(webgpuPath);
    const step = stepOf([{ ids: [1, 2, 3], from: 0, table: tableFrom(lost) }], 'last');
    const underWay = lost.forward(step);
    runtime.device.destroy();
    await expect(underWay).rejects.toThrow('graphics device was lost');
    await lost.dispose();
    runtime.release();
  });
});
