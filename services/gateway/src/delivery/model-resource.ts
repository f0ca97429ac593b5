/** A served model as the OpenAI API shows it. */
import type { ServedModel } from '../context.ts';

export function toModelResource({ id, created, contextLength }: ServedModel) {
  return { id, object: 'model', created, owned_by: 'inkwell', context_length: contextLength } as const;
}
