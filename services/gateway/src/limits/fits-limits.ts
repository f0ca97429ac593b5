/** Whether a request could ever be granted. One that is larger than a limit itself would wait for ever: it is told which number to change. */
import { type GenerationSpec, InkwellError } from '@inkwell/contracts';
import type { Limit } from '@inkwell/ports';

/** @throws InkwellError `invalid_parameter` that names `max_tokens` or, when not even one token would fit, `prompt` */
export function checkFitsLimits(
  { prompts, bestOf }: GenerationSpec,
  costTokens: number,
  limits: readonly Limit[],
): void {
  const smallest = limits
    .filter(({ unit }) => unit === 'tokens')
    .reduce<Limit | undefined>((least, limit) => (least && least.amount <= limit.amount ? least : limit), undefined);
  if (smallest === undefined || costTokens <= smallest.amount) return;
  const { amount, window } = smallest;
  const promptTokens = prompts.reduce((sum, prompt) => sum + prompt.length * bestOf, 0);
  const fitting = Math.floor((amount - promptTokens) / (prompts.length * bestOf));
  const problem = `this request may take ${costTokens} tokens, more than your limit of ${amount} per ${window}`;
  if (fitting >= 1) {
    const message = `max_tokens: ${problem}; at most ${fitting} would fit`;
    throw new InkwellError('invalid_parameter', { param: 'max_tokens', message });
  }
  throw new InkwellError('invalid_parameter', {
    param: 'prompt',
    message: `prompt: ${problem}; the prompt alone takes ${promptTokens}`,
  });
}
