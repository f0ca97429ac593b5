/** The policy file: its shape. What it means is `compilePolicy`'s business. */
import { z } from 'zod';
import { detectorNames } from './detectors/index.ts';

const ruleId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, { error: 'must be 1 to 64 of a-z, 0-9, ".", "_" and "-"' });
const example = z.string().min(1).max(2_000);

/** Texts the rule must and must not catch; checked whenever the file is loaded. */
const examples = z.strictObject({ caught: z.array(example).min(1).max(20), passed: z.array(example).min(1).max(20) });

const ruleBase = {
  id: ruleId,
  description: z.string().max(500).optional(),
  enabled: z.boolean().default(true),
  examples,
};

const promptRule = z
  .strictObject({
    ...ruleBase,
    kind: z.enum(['injection', 'sensitive', 'pii', 'secret']),
    /** Word patterns; one that matches is enough. */
    patterns: z.array(z.string().min(1).max(500)).min(1).max(100).optional(),
    detector: z.enum(detectorNames).optional(),
  })
  .refine(({ patterns, detector }) => (patterns === undefined) !== (detector === undefined), {
    error: 'a rule has either patterns or a detector',
  });

const outputRule = z.strictObject({
  ...ruleBase,
  kind: z.literal('phrase'),
  phrases: z.array(z.string().min(1).max(200)).min(1).max(256),
  /** `word`: not inside a longer word. */
  match: z.enum(['word', 'anywhere']).default('word'),
});

export const policyFileSchema = z.strictObject({
  version: z.literal(1),
  /** What stands in the place of a banned phrase and all that would have followed. */
  replacement: z.string().max(200).default('[removed by content policy]'),
  prompt_rules: z.array(promptRule).max(500),
  output_rules: z.array(outputRule).max(256),
});

export type PolicyFile = z.infer<typeof policyFileSchema>;
export type PromptRule = PolicyFile['prompt_rules'][number];
export type OutputRule = PolicyFile['output_rules'][number];
