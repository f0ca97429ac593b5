/**
 * The header of a safetensors file (github.com/huggingface/safetensors, "Format"): 8 bytes of length, then JSON that
 * gives each tensor's dtype, shape and byte range. Guarantees that what it returns is consistent with itself and with
 * the file's size: no tensor reaches outside, none overlaps another, none has more or fewer bytes than its shape needs.
 */
import { ModelError } from '../errors.ts';

export type FloatType = 'F32' | 'F16' | 'BF16';

export interface TensorEntry {
  readonly name: string;
  /** As written in the file; only float types can be read. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Longest header the reference implementation accepts. */
const MAX_HEADER_BYTES = 100_000_000;
const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

/** Reads the header length from the file's first 8 bytes. */
export function headerLength(first8: Uint8Array, fileSizeBytes: number): number {
  if (first8.length < 8)
    throw new ModelError(`safetensors: the file is truncated: ${first8.length} bytes, not even a header length`);
  const length = Number(new DataView(first8.buffer, first8.byteOffset).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES)
    throw new ModelError(`safetensors: header length ${length} exceeds ${MAX_HEADER_BYTES}: not a safetensors file`);
  if (8 + length > fileSizeBytes) {
    throw new ModelError(
      `safetensors: the file is truncated inside its header: ${fileSizeBytes} bytes, the header ends at ${8 + length}`,
    );
  }
  return length;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseEntry(name: string, value: unknown, dataStart: number, fileSizeBytes: number): TensorEntry {
  const fail = (problem: string): never => {
    throw new ModelError(`safetensors: tensor ${name}: ${problem}`);
  };
  if (typeof value !== 'object' || value === null) fail('its header entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES_PER_ELEMENT, dtype))
    return fail(`unknown dtype ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) return fail(`bad shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return fail(`bad data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product: number, size) => product * size, BYTES_PER_ELEMENT[dtype]!);
  if (end - begin !== expected) fail(`data_offsets span ${end - begin} bytes, ${dtype} [${shape}] needs ${expected}`);
  if (dataStart + end > fileSizeBytes) {
    fail(`the file is truncated: the tensor ends at byte ${dataStart + end}, the file has ${fileSizeBytes}`);
  }
  return { name, dtype, shape, offset: dataStart + begin, sizeBytes: expected };
}

function refuseOverlap(entries: readonly TensorEntry[]): void {
  const ordered = entries.filter((entry) => entry.sizeBytes > 0).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < ordered.length; i++) {
    const [before, entry] = [ordered[i - 1]!, ordered[i]!];
    if (before.offset + before.sizeBytes > entry.offset) {
      throw new ModelError(`safetensors: tensor ${entry.name}: overlaps tensor ${before.name}`);
    }
  }
}

/**
 * @param json the header's bytes, after the 8 bytes of length
 * @throws ModelError naming the tensor that is wrong
 */
export function parseHeader(json: Uint8Array, fileSizeBytes: number): TensorEntry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw new ModelError(`safetensors: the header is not valid JSON (${(error as Error).message})`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ModelError('safetensors: the header must be a JSON object');
  }
  const entries = Object.entries(parsed)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value, 8 + json.length, fileSizeBytes));
  refuseOverlap(entries);
  return entries;
}
