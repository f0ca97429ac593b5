/**
 * Philox4x32-10, a counter-based random generator (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011, section 3.3). A draw is a pure function of key and counter: no state is kept, so a generation
 * restarted on another machine draws the very same numbers.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const ROUNDS = 10;

/** High 32 bits of the unsigned product a*b, from 16-bit halves so that no intermediate exceeds 2^53. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/**
 * Encrypts a 128-bit counter under a 64-bit key.
 * @param counter four 32-bit words, least significant first
 * @param key two 32-bit words, least significant first
 * @returns four pseudo-random 32-bit words
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A uniform number in [0, 1) with 53 random bits.
 * @param seed the request's seed; taken modulo 2^64
 * @param stream which independent sequence of that seed, e.g. the choice index
 * @param position absolute position of the token being drawn
 */
export function uniform(seed: bigint | number, stream: number, position: number): number {
  const wide = BigInt.asUintN(64, BigInt(seed));
  const key: [number, number] = [Number(wide & 0xffffffffn), Number(wide >> 32n)];
  const [low, high] = philox4x32([position >>> 0, stream >>> 0, 0, 0], key);
  return ((high >>> 6) * 134217728 + (low >>> 5)) / 9007199254740992;
}
