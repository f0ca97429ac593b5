/**
 * Conversion between the float types of checkpoints and float32. Widening is exact; narrowing rounds to nearest, ties
 * to even. Little-endian, as the file format is.
 */
import type { FloatType } from './header.ts';

/** All 65,536 half-precision values, widened (IEEE 754-2019, binary16). Built on first use. */
let halfTable: Float32Array | undefined;

/** The number that these bits are in half precision (IEEE 754-2019, binary16). */
export function widenHalf(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : (1024 + fraction) * 2 ** (exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, half) => widenHalf(half));
  return halfTable;
}

/** Bytes of `type` values to float32. `bytes` must start at a multiple of the element size in its buffer. */
export function toFloat32(bytes: Uint8Array, type: FloatType): Float32Array {
  if (type === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const out = new Float32Array(words.length);
  if (type === 'F16') {
    const table = halves();
    for (let i = 0; i < words.length; i++) out[i] = table[words[i]!]!;
  } else {
    const patterns = new Uint32Array(out.buffer);
    for (let i = 0; i < words.length; i++) patterns[i] = words[i]! << 16;
  }
  return out;
}

/** The bits of the nearest number in half precision, ties to even. */
export function halfOf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(magnitude || 2 ** -30)), -14);
  const units = roundHalfToEven(magnitude * 2 ** (10 - exponent));
  // A mantissa that rounds up to 2048 carries into the exponent by plain addition.
  return sign | (units < 1024 ? units : ((exponent + 15) << 10) + (units - 1024));
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** float32 to bytes of `type`. */
export function fromFloat32(values: Float32Array, type: FloatType): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const words = new Uint16Array(values.length);
  if (type === 'F16') {
    for (let i = 0; i < words.length; i++) words[i] = halfOf(values[i]!);
  } else {
    const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) {
      const pattern = patterns[i]!;
      // Adding just under half a unit, plus the bit that decides ties, rounds to nearest even.
      words[i] = Number.isNaN(values[i]) ? 0x7fc0 : (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
    }
  }
  return new Uint8Array(words.buffer);
}
