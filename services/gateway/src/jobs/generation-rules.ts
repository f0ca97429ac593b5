/** What the schema of a generating request cannot say: it depends on several fields at once, on the model, or on the caller's limits. */
import { maxSequences } from '@inkwell/contracts/http';
import type { Rule } from '../operation.ts';

export const generationRules: readonly Rule[] = [
  { param: 'prompt', code: 'context_length_exceeded', rule: 'must leave room in the model’s context' },
  {
    param: 'max_tokens',
    code: 'context_length_exceeded',
    rule: 'must fit the model’s context together with the prompt',
  },
  { param: 'prompt', code: 'content_policy_violation', rule: 'must keep to the content policy' },
  {
    param: 'prompt',
    rule: `prompts × candidates are at most ${maxSequences}; token ids exist in the model’s vocabulary`,
  },
  { param: 'n', rule: `prompts × candidates are at most ${maxSequences}` },
  { param: 'best_of', rule: `must be at least n; prompts × candidates are at most ${maxSequences}` },
  { param: 'logit_bias', rule: 'names token ids of the model’s vocabulary' },
  { param: 'webhook', rule: 'must be an https URL without credentials that does not lead to a private address' },
  { param: 'max_tokens', rule: 'must be within what your role and your limits allow' },
];
