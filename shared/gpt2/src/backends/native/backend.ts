/**
 * The `ModelBackend` port on the native accelerator. With int8 weights its logits are, bit for bit, those of the WebAssembly backend on every instruction
 * set, so that jobs may move between the two; it adds w4a8. `forward` runs to completion on the calling thread: give the engine a process of its own.
 */
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { checkStep } from '../check-step.ts';
import { kvCacheOf } from '../kv-cache-kind.ts';
import { LogitsRoom } from '../logits-room.ts';
import { defaultBlockCount, defaultThreads, refuseUnlessCount } from '../sizes.ts';
import { flatTables, slotsOf } from '../step-inputs.ts';
import type { TfjsWasmOptions } from '../tfjs-wasm/backend.ts';
import { imageLayout } from '../tfjs-wasm/quantized/image.ts';
import { loadImage } from '../tfjs-wasm/quantized/load-image.ts';
import { kvBitsOf, quantizationObstacle, quantizedBlockBytes } from '../tfjs-wasm/quantized/sizes.ts';
import { type Addon, loadAddon, type Session } from './addon.ts';
import { describeModel } from './description.ts';
import { trustedInstructions } from './self-test.ts';

export interface NativeOptions extends TfjsWasmOptions {
  /** One of the add-on's instruction sets; left out, the fastest that this processor has and that tests itself right. */
  readonly instructions?: string;
  /** Left out, what `npm run build:native` built. */
  readonly addonPath?: string;
}

class NativeBackend implements ModelBackend {
  readonly info: ModelBackendInfo;
  readonly #addon: Addon;
  readonly #session: Session;
  readonly #logits: LogitsRoom;
  #disposed = false;

  constructor(addon: Addon, session: Session, info: ModelBackendInfo) {
    this.#addon = addon;
    this.#session = session;
    this.info = info;
    this.#logits = new LogitsRoom(info.vocabSize);
  }

  async forward(batch: StepBatch): Promise<Float32Array[]> {
    if (this.#disposed) throw new Error('the model backend was disposed');
    checkStep(batch, this.info);
    const { tokens, positions, sequences, logitsRows } = batch;
    const { blockSize } = this.info;
    const { flat, width } = flatTables(batch.blockTables);
    const slots = slotsOf(batch, blockSize);
    const logits = this.#logits.forRows(logitsRows.length);
    this.#addon.forward(this.#session, tokens, positions, sequences, slots, flat, width, logitsRows, logits);
    return this.#logits.rowsOf(logits);
  }

  async dispose(): Promise<void> {
    if (!this.#disposed) this.#addon.dispose(this.#session);
    this.#disposed = true;
  }
}

/**
 * @throws Error if the add-on cannot be used here
 * @throws ModelError if the weights do not fit the configuration, or cannot be kept as asked
 */
export async function createNativeBackend(
  file: SafetensorsFile,
  config: Gpt2Config,
  options: NativeOptions = {},
): Promise<ModelBackend> {
  const { threads = defaultThreads(), blockSize = 16, onProgress = () => {}, onCacheFailure = () => {} } = options;
  refuseUnlessCount({ threads, blockSize });
  const { quantization = 'auto' } = options;
  if (quantization === 'none' || quantization === 'int4')
    throw new ModelError(`quantization ${quantization}: the native backend has int8 and w4a8`);
  const kind = quantization === 'auto' ? 'int8' : quantization;
  const kvCache = kvCacheOf(options.kvCache, kind);
  const kvBits = kvBitsOf(kvCache);
  const obstacle = quantizationObstacle(config, blockSize);
  if (obstacle !== undefined) throw new (quantization === 'auto' ? Error : ModelError)(`${kind}: ${obstacle}`);
  const blockCount =
    options.blockCount ?? defaultBlockCount(config, blockSize, quantizedBlockBytes(config, blockSize, kvBits));
  refuseUnlessCount({ blockCount });
  const addon = await loadAddon(options.addonPath);
  const instructions = options.instructions ?? trustedInstructions(addon);
  const layout = imageLayout(config, kind);
  const session = addon.create(describeModel({ config, layout, blockSize, blockCount, threads, kvBits }), instructions);
  try {
    const { cacheDirectory } = options;
    const image = new Uint8Array(addon.image(session));
    await loadImage(image, layout, kind, { file, config, cacheDirectory, onProgress, onCacheFailure });
  } catch (error) {
    addon.dispose(session);
    throw error;
  }
  return new NativeBackend(addon, session, {
    name: 'native',
    device: `cpu (${instructions})`,
    threads: addon.threads(session),
    quantization: kind,
    kvCache,
    blockSize,
    blockCount,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
  });
}
