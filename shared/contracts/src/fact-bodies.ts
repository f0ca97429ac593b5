/** The kinds of facts and what each one's body is: one table, read by projections. */
import type { z } from 'zod';
import { auditEventSchema } from './audit.ts';
import type { Fact } from './fact.ts';
import { jobEndedSchema } from './job-ended.ts';

const factBodies = { 'job.ended': jobEndedSchema, audit: auditEventSchema } as const;

export type FactKind = keyof typeof factBodies;
type Bodies = { [Kind in FactKind]: z.output<(typeof factBodies)[Kind]> };
export type ReadFact = {
  [Kind in FactKind]: Omit<Fact, 'kind' | 'body'> & { kind: Kind; body: Bodies[Kind] };
}[FactKind];

const isKnown = (kind: string): kind is FactKind => Object.hasOwn(factBodies, kind);

/** The fact with its body checked; `unknown` for a kind that this program doesn't know, `invalid` for a body that doesn't fit. */
export function readFact(fact: Fact): ReadFact | 'unknown' | 'invalid' {
  if (!isKnown(fact.kind)) return 'unknown';
  const parsed = factBodies[fact.kind].safeParse(fact.body);
  return parsed.success ? ({ ...fact, kind: fact.kind, body: parsed.data } as ReadFact) : 'invalid';
}
