/** The content policy of a gateway: from the operator's file or the default one, followed while it changes, with a word in the log for each change. */
import type { Logger } from '@inkwell/observability';
import { openPolicy, type PolicySource } from '@inkwell/safety';

/**
 * @param file left out, the default policy
 * @throws Error that names the file and what is wrong with it
 */
export function watchPolicy(file: string | undefined, log: Logger): PolicySource {
  return openPolicy(file, {
    onChanged: ({ version }) => log.warn({ version }, 'the content policy has changed'),
    onBroken: (error) => log.error({ err: error }, 'the content policy file cannot be used; the old rules stay'),
  });
}
