/** Prompts of any form as token ids. Ids given by the client must belong to the model's vocabulary. */
import { InkwellError } from '@inkwell/contracts';
import type { Prompt } from '@inkwell/contracts/http';
import type { ServedModel } from '../context.ts';

function checkIds(ids: number[], model: ServedModel, param: string): number[] {
  const wrong = ids.findIndex((id) => id >= model.tokenizer.vocabSize);
  if (wrong < 0) return ids;
  const at = `${param}.${wrong}`;
  const message = `${at}: this model's token ids end at ${model.tokenizer.vocabSize - 1}`;
  throw new InkwellError('invalid_parameter', { param: at, message });
}

export function tokenisePrompts(prompt: Prompt, model: ServedModel): number[][] {
  if (typeof prompt === 'string') return [model.tokenizer.encode(prompt)];
  if (typeof prompt[0] === 'number') return [checkIds(prompt as number[], model, 'prompt')];
  return (prompt as (string | number[])[]).map((one, index) =>
    typeof one === 'string' ? model.tokenizer.encode(one) : checkIds(one, model, `prompt.${index}`),
  );
}
