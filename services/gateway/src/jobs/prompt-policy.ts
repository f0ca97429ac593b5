/**
 * The content policy's word on what comes in: every prompt is looked at as the text the model would read, also one that is given as token ids.
 * The refusal names the rule and repeats nothing of the prompt.
 */
import { InkwellError } from '@inkwell/contracts';
import type { Prompt } from '@inkwell/contracts/http';
import type { Metrics } from '@inkwell/observability';
import type { ContentPolicy } from '@inkwell/safety';
import type { ServedModel } from '../context.ts';

/** The prompts as texts, each with the name of its field. */
function textsOf(prompt: Prompt, { tokenizer }: ServedModel): { param: string; text: string }[] {
  if (typeof prompt === 'string') return [{ param: 'prompt', text: prompt }];
  if (typeof prompt[0] === 'number') return [{ param: 'prompt', text: tokenizer.decode(prompt as number[]) }];
  return (prompt as (string | number[])[]).map((one, index) => ({
    param: `prompt.${index}`,
    text: typeof one === 'string' ? one : tokenizer.decode(one),
  }));
}

/** @throws InkwellError `content_policy_violation` */
export function checkPrompts(prompt: Prompt, model: ServedModel, policy: ContentPolicy, metrics: Metrics): void {
  for (const { param, text } of textsOf(prompt, model)) {
    const rule = policy.checkPrompt(text);
    if (rule === null) continue;
    metrics.policyViolations.inc({ direction: 'prompt', rule: rule.id });
    const message = `${param}: the content policy refuses this prompt (rule ${rule.id}).`;
    const note = { reason: rule.id, details: { direction: 'prompt' } };
    throw new InkwellError('content_policy_violation', { param, message, note });
  }
}
