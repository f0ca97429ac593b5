/** Whether a request welcomes a kept answer, and which one that would be. */
import { createHash } from 'node:crypto';
import { type GenerationSpec, InkwellError } from '@inkwell/contracts';
import { canonicalJson } from '../http/canonical-json.ts';
import type { Call } from '../operation.ts';
import type { AcceptedRequest } from './accepted-request.ts';

/** Where an answer is kept: everything that decides its text, and who asked. The seed of a greedy request decides nothing. */
function cacheKey(tenant: string, spec: GenerationSpec): string {
  const sampling = spec.sampling.temperature === 0 ? { ...spec.sampling, seed: 0 } : spec.sampling;
  const hash = createHash('sha256').update(canonicalJson({ ...spec, sampling }));
  return `${tenant}:${hash.digest('base64url')}`;
}

export const cacheHeader = {
  'X-Inkwell-Cache': {
    description:
      '`use`: the kept answer of an equal earlier request of your tenant is welcome, if the request is greedy or names its seed. The answer’s ' +
      '`x-inkwell-cache` says `hit` or `miss`; a hit runs nothing and costs no tokens.',
    pattern: '^use$',
  },
};

export interface CacheWish {
  /** null: nothing can be kept for this request, since every run may differ. */
  key: string | null;
}

/**
 * What the request says of the cache; undefined when it says nothing.
 * @param seed as the client gave it
 * @throws InkwellError `invalid_header`
 */
export function readCacheWish(
  call: Call,
  { tenant, spec }: AcceptedRequest,
  seed: number | null | undefined,
): CacheWish | undefined {
  const header = call.request.headers['x-inkwell-cache'];
  if (header === undefined) return undefined;
  if (header !== 'use') {
    throw new InkwellError('invalid_header', { param: 'X-Inkwell-Cache', message: 'X-Inkwell-Cache: must be use.' });
  }
  const deterministic = spec.sampling.temperature === 0 || typeof seed === 'number';
  return { key: deterministic ? cacheKey(tenant, spec) : null };
}
