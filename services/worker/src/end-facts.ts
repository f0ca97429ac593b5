/** What is told of a job that is over: its end, and that the content policy cut off a text of it. */
import { type Fact, hasRefusedText, type JobRecord, jobEndedFact, textRefusedFact } from '@inkwell/contracts';
import type { WorkerContext } from './context.ts';
import { persist } from './persist.ts';

const pageSize = 1_000;

/** Id of the rule that cut off a text first; the story alone has it. */
async function ruleOf(context: WorkerContext, { key }: JobRecord): Promise<string> {
  for (let after = 0; ; ) {
    const page = await persist(context, 'read', () => context.ports.resultStream.read(key, after, pageSize));
    const rules = page.flatMap((event) => (event.type === 'job.delta' ? (event.filteredBy ?? []) : []));
    if (rules[0] !== undefined) return rules[0];
    const last = page.at(-1);
    // A story that was pruned meanwhile names no rule.
    if (page.length < pageSize || last === undefined) return 'unknown';
    after = last.seq;
  }
}

export async function endFacts(context: WorkerContext, record: JobRecord): Promise<Fact[]> {
  const ended = jobEndedFact(record);
  return hasRefusedText(record) ? [textRefusedFact(record, await ruleOf(context, record)), ended] : [ended];
}
