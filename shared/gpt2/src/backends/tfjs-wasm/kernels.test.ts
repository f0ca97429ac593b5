/** The committed kernels are what their source says, and threads that cannot start cost speed, not answers. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { memory } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { compileKernels } from './compile-kernels.ts';
import { kernelsAgree } from './self-test.ts';
import { tfjsRuntime } from './tfjs-runtime.ts';
import { createThreadPool } from './thread-pool.ts';

it('rebuilding the kernels, those of sampling too, gives the committed bytes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-kernels-'));
  try {
    const build = fileURLToPath(new URL('../../../assembly/build.mjs', import.meta.url));
    await promisify(execFile)(process.execPath, [build, directory], { timeout: 60_000 });
    for (const file of ['kernels.wasm', '../../sampling/sampling.wasm']) {
      const committed = await readFile(new URL(file, import.meta.url));
      const rebuilt = await readFile(join(directory, basename(file)));
      expect(rebuilt.equals(committed), `${file}: run \`npm run build:kernels\``).toBe(true);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('a pool whose threads fail to start works with one, and says why', async () => {
  const runtime = await tfjsRuntime();
  const broken = { ...runtime, kernelModule: 'not a module' as unknown as typeof runtime.kernelModule };
  const pool = await createThreadPool(broken, 3);
  expect(pool.threads).toBe(1);
  expect(pool.shortfall).toContain('WebAssembly.Instance');
  await pool.dispose();
  expect(memory().numTensors).toBe(0);
});

it('disposing a pool waits for its threads to end, asleep or not', async () => {
  const runtime = await tfjsRuntime();
  for (let round = 0; round < 5; round++) {
    const pool = await createThreadPool(runtime, 4);
    expect(pool.threads).toBe(4);
    await pool.dispose();
  }
  expect(memory().numTensors).toBe(0);
});

describe('joined vectors', () => {
  const bytes = new Uint8Array(readFileSync(new URL('kernels.wasm', import.meta.url)));
  /** An f32 constant as the module holds it: with its instruction, or four times in a vector. */
  const scalar = (value: number) => Buffer.concat([Buffer.of(0x43), Buffer.from(new Float32Array([value]).buffer)]);
  const vector = (value: number) => Buffer.from(new Float32Array(4).fill(value).buffer);

  it('are used where they were tried, and give the bytes of ordinary ones', () => {
    const { module, vectorBits } = compileKernels(bytes, true);
    expect(vectorBits).toBe(process.arch === 'x64' && process.versions.v8.startsWith('13.6.') ? 256 : 128);
    expect(kernelsAgree(new WebAssembly.Module(bytes), module)).toBe(true);
  });

  it('are not used when they are not allowed', () => {
    expect(compileKernels(bytes, false).vectorBits).toBe(128);
  });

  it.each([
    ['the limit of activations', scalar(2047), scalar(2046)],
    ['the limit of keys and values', scalar(127), scalar(126)],
    ['the limit of 4-bit keys and values', scalar(15), scalar(14)],
    ['the middle of 4-bit keys and values', vector(7.5), vector(8)],
    ['the limit of attention weights', scalar(32767), scalar(32766)],
    ["GELU's cubic term", vector(0.0713548162726), vector(0.0713549)],
  ])('would be refused by the self-test if %s differed', (_, value, other) => {
    const spoilt = Buffer.from(bytes);
    let count = 0;
    for (let at = spoilt.indexOf(value); at >= 0; at = spoilt.indexOf(value)) {
      other.copy(spoilt, at);
      count++;
    }
    expect(count).toBeGreaterThan(0);
    expect(kernelsAgree(new WebAssembly.Module(bytes), new WebAssembly.Module(spoilt))).toBe(false);
  });
});
