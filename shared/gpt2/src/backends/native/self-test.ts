/**
 * Which instruction set to trust: the fastest whose step gives, byte by byte, what the portable kernels compute on small made-up models, with full tiles
 * and with rests. A processor that nobody tried is thereby found wrong before it writes a word.
 */
import { type Gpt2Config, parseConfig } from '../../config.ts';
import { imageLayout, type QuantizedKind } from '../tfjs-wasm/quantized/image.ts';
import type { KvBits } from '../tfjs-wasm/quantized/sizes.ts';
import type { Addon } from './addon.ts';
import { describeModel } from './description.ts';

type NativeKind = Exclude<QuantizedKind, 'int4'>;

const BLOCK_SIZE = 16;
const POSITIONS = 24;

/** Bytes of any value where weights lie, small floats of either sign where floats lie. */
function fillImage(image: ArrayBuffer, config: Gpt2Config, kind: NativeKind): void {
  const layout = imageLayout(config, kind);
  const words = new Uint32Array(image, 0, layout.bytes / 4);
  let state = 0x2545f491;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = (state & 0x81ffffff) | 0x3e800000;
  }
  // Scales so small that hidden values lie where activations bend.
  const layers = layout.h.flatMap(({ c_attn, c_proj, c_fc, mlp_c_proj }) => [c_attn, c_proj, c_fc, mlp_c_proj]);
  for (const { scales } of [layout.wte, ...layers]) {
    const values = new Float32Array(image, scales.offset, scales.bytes / 4);
    values.set(values.map((value) => value / (kind === 'w4a8' ? 2048 : 64)));
  }
}

/** Logits of two sequences, one decoding, the other fed a prompt, in steps of 1, 2, 3 and 24 rows. */
function logitsOf(addon: Addon, instructions: string, kind: NativeKind, kvBits: KvBits): Buffer {
  const config = parseConfig({ n_layer: 2, n_head: 2, n_embd: 144, n_inner: 200, n_positions: 32, vocab_size: 301 });
  const layout = imageLayout(config, kind);
  const session = addon.create(
    describeModel({ config, layout, blockSize: BLOCK_SIZE, blockCount: 4, threads: 1, kvBits }),
    instructions,
  );
  try {
    fillImage(addon.image(session), config, kind);
    const tables = Int32Array.of(3, 0, 1, 2);
    return Buffer.concat(
      [1, 2, 3, POSITIONS].map((rows) => {
        const ints = (of: (row: number) => number) => Int32Array.from({ length: rows }, (_, row) => of(row));
        const positions = ints((row) => Math.max(0, row - 1));
        const sequences = ints((row) => Math.min(row, 1));
        const slots = ints(
          (row) => tables[sequences[row]! * 2 + (positions[row]! >> 4)]! * BLOCK_SIZE + (positions[row]! & 15),
        );
        const logits = new Float32Array(rows * config.vocab_size);
        const tokens = ints((row) => (row * 31) % 300);
        addon.forward(
          session,
          tokens,
          positions,
          sequences,
          slots,
          tables,
          2,
          ints((row) => row),
          logits,
        );
        return Buffer.from(logits.buffer);
      }),
    );
  } finally {
    addon.dispose(session);
  }
}

/** Whether an instruction set computes the bytes of the portable kernels, and something at all. */
export function isTrusted(addon: Addon, instructions: string): boolean {
  const ways = [
    ['int8', 8],
    ['w4a8', 8],
    ['int8', 4],
  ] as const;
  return ways.every(([kind, kvBits]) => {
    const expected = logitsOf(addon, 'portable', kind, kvBits);
    return expected.some((byte) => byte !== 0) && logitsOf(addon, instructions, kind, kvBits).equals(expected);
  });
}

export function trustedInstructions(addon: Addon): string {
  return addon.instructions().find((name) => name === 'portable' || isTrusted(addon, name))!;
}
