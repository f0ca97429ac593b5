/** Reading back what was written, and refusing, by tensor name, every file that is not what it says. */
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromFloat32, toFloat32 } from './float-conversion.ts';
import { SafetensorsFile } from './reader.ts';
import { writeSafetensors } from './writer.ts';

let directory: string;
let path: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-safetensors-'));
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(() => {
  path = join(directory, 'file.safetensors');
});

/** A file with this header and `dataBytes` zero bytes of data. */
async function writeRaw(header: unknown, dataBytes: number, headerLength?: bigint): Promise<void> {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = Buffer.isBuffer(header) ? header : Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(json.length));
  await writeFile(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

async function expectRefused(message: string | RegExp): Promise<void> {
  await expect(SafetensorsFile.open(path)).rejects.toThrow(message);
}

describe('a file written and read back', () => {
  const values = { a: Float32Array.of(1, -2.5, 0, 65504), 'b.weight': Float32Array.of(0.5, 3) };
  const tensors = [
    { name: 'a', shape: [2, 2], values: () => values.a },
    { name: 'b.weight', shape: [2], values: () => values['b.weight'] },
  ];

  it.each(['F32', 'F16', 'BF16'] as const)('holds the same values as %s', async (dtype) => {
    await writeSafetensors(path, tensors, dtype);
    await using file = await SafetensorsFile.open(path);
    expect(await file.read('b.weight', [2])).toEqual(values['b.weight']);
    if (dtype !== 'BF16') expect(await file.read('a', [2, 2])).toEqual(values.a);
  });

  it('is refused by tensor name at whatever byte it is cut off', async () => {
    await writeSafetensors(path, tensors, 'F32');
    const whole = await readFile(path);
    for (let size = whole.length - 1; size >= 0; size--) {
      await writeFile(path, whole.subarray(0, size));
      const dataLost = whole.length - size;
      await expectRefused(dataLost <= 8 ? 'tensor b.weight: the file is truncated' : /truncated/);
    }
  });

  it('is refused when it shrinks after it was opened', async () => {
    await writeSafetensors(path, tensors, 'F32');
    await using file = await SafetensorsFile.open(path);
    await truncate(path, 100);
    await expect(file.read('b.weight', [2])).rejects.toThrow('became shorter');
  });

  it('is refused where tensor, shape or type is not the one asked for', async () => {
    await writeRaw(
      { a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, b: { dtype: 'I32', shape: [1], data_offsets: [8, 12] } },
      12,
    );
    await using file = await SafetensorsFile.open(path);
    await expect(file.read('c', [2])).rejects.toThrow('tensor c: is missing');
    await expect(file.read('a', [1, 2])).rejects.toThrow('tensor a: has shape [2], config.json implies [1,2]');
    await expect(file.read('b', [1])).rejects.toThrow('tensor b: has dtype I32');
  });
});

describe('a hostile header', () => {
  const good = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };

  it.each([
    [
      'offsets beyond the file',
      { t: { ...good, shape: [9], data_offsets: [0, 36] } },
      'tensor t: the file is truncated',
    ],
    ['NaN offsets', '{"t":{"dtype":"F32","shape":[1],"data_offsets":[NaN,4]}}', 'not valid JSON'],
    ['null offsets', { t: { ...good, data_offsets: [null, 4] } }, 'tensor t: bad data_offsets'],
    ['fractional offsets', { t: { ...good, data_offsets: [0.5, 4.5] } }, 'tensor t: bad data_offsets'],
    ['huge offsets', '{"t":{"dtype":"F32","shape":[1],"data_offsets":[1e300,2e300]}}', 'tensor t: bad data_offsets'],
    ['negative offsets', { t: { ...good, data_offsets: [-4, 0] } }, 'tensor t: bad data_offsets'],
    ['three offsets', { t: { ...good, data_offsets: [0, 4, 8] } }, 'tensor t: bad data_offsets'],
    ['reversed offsets', { t: { ...good, data_offsets: [4, 0] } }, 'tensor t: data_offsets span -4 bytes'],
    ['a shape that does not fill its bytes', { t: { ...good, shape: [2] } }, 'tensor t: data_offsets span 4 bytes'],
    ['a shape that overflows', { t: { ...good, shape: [2 ** 40, 2 ** 40] } }, 'tensor t: data_offsets span 4 bytes'],
    ['a negative dimension', { t: { ...good, shape: [-1] } }, 'tensor t: bad shape'],
    ['an unknown dtype', { t: { ...good, dtype: 'F128' } }, 'tensor t: unknown dtype "F128"'],
    ['a dtype from the prototype', { t: { ...good, dtype: 'constructor' } }, 'tensor t: unknown dtype'],
    ['an entry that is no object', { t: 4 }, 'tensor t: its header entry is not an object'],
    ['an entry that is null', { t: null }, 'tensor t: its header entry is not an object'],
    [
      'overlapping tensors',
      { t: { ...good, shape: [2], data_offsets: [0, 8] }, u: { ...good, data_offsets: [4, 8] } },
      'tensor u: overlaps tensor t',
    ],
    ['an array', [], 'must be a JSON object'],
    ['no JSON', '{', 'not valid JSON'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not valid JSON'],
  ])('with %s is refused', async (_, header, message) => {
    await writeRaw(header, 16);
    await expectRefused(message);
  });

  it('that claims to be longer than the file, or than any header, is refused before it is read', async () => {
    await writeRaw({}, 16, 1000n);
    await expectRefused('truncated inside its header');
    await writeRaw({}, 16, 2n ** 63n);
    await expectRefused('exceeds 100000000');
  });

  it('never makes the reader fail in another way (fuzz)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), fc.nat(64), async (json, dataBytes) => {
        await writeRaw(json, dataBytes);
        const outcome = await SafetensorsFile.open(path).then(
          async (file) => file[Symbol.asyncDispose](),
          (error: Error) => error.name,
        );
        expect([undefined, 'ModelError']).toContain(outcome);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe('half-precision conversion', () => {
  it('round-trips all 65,536 halves and bfloat16s that are numbers', () => {
    const words = Uint16Array.from({ length: 65536 }, (_, i) => i);
    for (const type of ['F16', 'BF16'] as const) {
      const values = toFloat32(new Uint8Array(words.buffer), type);
      const back = new Uint16Array(fromFloat32(values, type).buffer);
      const changed = words.filter((word, i) => !Number.isNaN(values[i]) && back[i] !== word);
      expect(changed.length, type).toBe(0);
    }
  });

  it('widens as IEEE 754 says', () => {
    const words = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0x3555);
    const expected = [1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, 0.333251953125];
    expect([...toFloat32(new Uint8Array(words.buffer), 'F16')]).toEqual(expected);
  });

  it('rounds to the nearest half, ties to even', () => {
    const values = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25, 1e-30);
    const rounded = toFloat32(fromFloat32(values, 'F16'), 'F16');
    expect([...rounded]).toEqual([1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -23, 0]);
  });
});
