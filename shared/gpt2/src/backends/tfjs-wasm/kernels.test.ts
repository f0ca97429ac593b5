/** The committed kernels are what their source says, and threads that cannot start cost speed, not answers. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { memory } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { tfjsRuntime } from './tfjs-runtime.ts';
import { createThreadPool } from './thread-pool.ts';

it('rebuilding the kernels gives the committed bytes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-kernels-'));
  try {
    const rebuilt = join(directory, 'kernels.wasm');
    const build = fileURLToPath(new URL('../../../assembly/build.mjs', import.meta.url));
    await promisify(execFile)(process.execPath, [build, rebuilt], { timeout: 60_000 });
    const committed = await readFile(new URL('kernels.wasm', import.meta.url));
    expect((await readFile(rebuilt)).equals(committed), 'run `npm run build:kernels`').toBe(true);
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
