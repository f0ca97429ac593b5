/** How keys and values are kept, and the refusal of what a backend or a kind of weights does not have. */
import type { ModelBackendInfo } from '@inkwell/ports';
import { ModelError } from '../errors.ts';

type Quantization = ModelBackendInfo['quantization'];
type KvCacheKind = ModelBackendInfo['kvCache'];
type KvCacheWish = 'auto' | 'int8' | 'int4';

/** With weights that are integers. */
export function kvCacheOf(wish: KvCacheWish | undefined, quantization: Exclude<Quantization, 'none'>): 'int8' | 'int4';
/** @throws ModelError if integers are asked for where weights are floats */
export function kvCacheOf(wish: KvCacheWish | undefined, quantization: Quantization): KvCacheKind;
export function kvCacheOf(wish: KvCacheWish | undefined, quantization: Quantization): KvCacheKind {
  if (quantization !== 'none') return wish === 'int4' ? 'int4' : 'int8';
  refuseKvCache(wish, 'weights that are floats have keys and values that are');
  return 'f32';
}

/** @throws ModelError if integers are asked for of one who has only floats */
export function refuseKvCache(wish: KvCacheWish | undefined, why: string): void {
  if (wish !== undefined && wish !== 'auto') throw new ModelError(`kvCache ${wish}: ${why}, use auto`);
}
