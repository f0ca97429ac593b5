/** Workers that would compute different bits do not work on the same jobs, neither at once nor one after the other. */
import { createWorkerRegistry } from '@inkwell/adapters/embedded';
import { type ModelBackendInfo, type Numerics, systemClock } from '@inkwell/ports';
import { describe, expect, it } from 'vitest';
import { differences, numericsOf } from './numerics.ts';
import { Bench } from './testing/bench.ts';

const info: ModelBackendInfo = {
  name: 'tfjs-wasm',
  device: 'cpu',
  threads: 2,
  quantization: 'int8',
  kvCache: 'int8',
  blockSize: 16,
  blockCount: 8,
  vocabSize: 300,
  contextLength: 256,
};
const of = (over: Partial<ModelBackendInfo>, sums: Record<string, string> = {}) =>
  numericsOf('m', { 'model.safetensors': 'a'.repeat(64), ...sums }, { ...info, ...over });

describe('what computes the same bits', () => {
  it.each<[string, Numerics]>([
    ['the native int8', of({ name: 'native', device: 'cpu (avx2)', threads: 16, blockCount: 99 })],
    ['another number of threads', of({ threads: 1, blockSize: 32 })],
  ])('%s as WebAssembly', (_, other) => {
    expect(differences(of({}), other)).toBeNull();
  });

  it.each<[string, Numerics, RegExp]>([
    ['int4', of({ quantization: 'int4' }), /INKWELL_QUANTIZATION is int8 here and int4 there/],
    ['a 4-bit KV cache', of({ kvCache: 'int4' }), /INKWELL_KV_CACHE is int8 here and int4 there/],
    ['floats', of({ quantization: 'none', name: 'tfjs' }), /INKWELL_BACKEND is native or wasm here and tfjs there/],
    [
      'other weights',
      of({}, { 'model.safetensors': 'b'.repeat(64) }),
      /model\.safetensors is aaaaaaaaaaaa here and bbbbbbbbbbbb there/,
    ],
    ['a missing file', of({}, { 'vocab.json': 'c' }), /vocab\.json is nothing here and c there/],
    [
      'another model',
      numericsOf('n', { 'model.safetensors': 'a'.repeat(64) }, info),
      /INKWELL_MODEL_ID is m here and n there/,
    ],
  ])('%s not', (_, other, message) => {
    expect(differences(of({}), other)).toMatch(message);
  });

  it('libraries of others are trusted only on the same device', () => {
    const [here, there] = ['gpu (A)', 'gpu (B)'].map((device) => of({ name: 'webgpu', quantization: 'none', device }));
    expect(differences(here!, there!)).toMatch(
      /INKWELL_BACKEND is webgpu on gpu \(A\) here and webgpu on gpu \(B\) there/,
    );
  });
});

const wasm = { backend: 'wasm', quantization: 'int8' } as const;
const other = { backend: 'wasm', quantization: 'none' } as const;

describe('a worker with other settings than those that live', () => {
  it('takes no work, says which setting differs, and disturbs nobody', async () => {
    await using bench = await Bench.open();
    const registry = createWorkerRegistry(systemClock);
    await bench.startWorker({ engine: wasm, registry, agrees: true });
    const submitted: string[] = [];
    const stranger = bench.worker({ engine: other, registry, agrees: true, onSubmit: (key) => submitted.push(key) });
    const job = await bench.submit();
    await expect(stranger.start()).rejects.toThrow('INKWELL_QUANTIZATION is none here and int8 there');
    expect(stranger.stats().ready).toBe(false);
    await stranger.stop();
    const twin = await bench.startWorker({ engine: wasm, registry, agrees: true });
    expect(twin.stats().ready).toBe(true);
    const more = await Promise.all(Array.from({ length: 4 }, () => bench.submit({ spec: { maxTokens: 4 } })));
    for (const { key } of [job, ...more]) expect((await bench.ending(key)).type).toBe('job.completed');
    expect(submitted).toEqual([]);
  });

  it('is refused too while jobs that they began are unfinished, and taken when none is', async () => {
    await using bench = await Bench.open();
    // Time passes when we say so: nobody's agreement lapses by itself.
    let now = 0;
    const registry = createWorkerRegistry({ now: () => now });
    const first = await bench.startWorker({ engine: { nullPaceMs: 30 }, registry, agrees: true });
    const job = await bench.submit({ spec: { maxTokens: 200 } });
    await bench.until(job.key, (event) => event.type === 'job.delta');
    await first.stop();
    now += 60_000;
    const stranger = bench.worker({ engine: wasm, registry, agrees: true });
    await expect(stranger.start()).rejects.toThrow('INKWELL_BACKEND is native or wasm here and null there');
    await stranger.stop();
    expect((await bench.store.jobStore.get(job.key))?.state).toBe('in_progress');

    const second = await bench.startWorker({ registry, agrees: true });
    expect((await bench.ending(job.key)).type).toBe('job.completed');
    await bench.eventually('no job runs', async () => (await bench.store.jobStore.counts()).inProgress === 0);
    await second.stop();
    now += 60_000;
    const heir = await bench.startWorker({ engine: wasm, registry, agrees: true });
    expect(heir.stats().ready).toBe(true);
  });

  it('that was stopped for so long that others took its place gives up its work', async () => {
    await using bench = await Bench.open();
    let now = 0;
    const registry = createWorkerRegistry({ now: () => now });
    const sleeper = await bench.startWorker({ engine: wasm, registry, agrees: true });
    now += 60_000;
    await registry.agree({ INKWELL_QUANTIZATION: 'none' }, 60_000, true);
    await bench.eventually('it takes no work', () => !sleeper.stats().ready);
  });
});
