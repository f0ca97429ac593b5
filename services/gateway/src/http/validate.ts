/** From a schema's first complaint to the error a client sees: always with the name of the field, never with its value. */
import { InkwellError } from '@inkwell/contracts';
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length));

/** Of the alternatives of a union, the one that got furthest tells best what is wrong. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  const branches = [...issue.errors].sort((a, b) => depth(b) - depth(a));
  const [first] = branches[0] ?? [];
  if (!first || first.path.length === 0) return issue;
  return innermost({ ...first, path: [...issue.path, ...first.path] });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) current = (current as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return current;
}

function expectedTypes(issue: Issue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  const expected = issue.errors.flat().map((inner) => ('expected' in inner ? String(inner.expected) : inner.message));
  return `must be ${[...new Set(expected)].join(' or ')}`;
}

function toError(issue: Issue, value: unknown): InkwellError {
  if (issue.code === 'unrecognized_keys') {
    const param = [...issue.path, issue.keys[0]].join('.').slice(0, 256);
    return new InkwellError('unknown_parameter', { param, message: `Unknown field: ${param}` });
  }
  const param = issue.path.length === 0 ? 'body' : issue.path.join('.').slice(0, 256);
  if (issue.path.length > 0 && valueAt(value, issue.path) === undefined) {
    return new InkwellError('missing_parameter', { param, message: `Missing field: ${param}` });
  }
  return new InkwellError('invalid_parameter', { param, message: `${param}: ${expectedTypes(issue)}` });
}

/** @throws InkwellError naming the first field at fault; unknown fields are named first, since they may be misspelt required ones */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  throw toError(innermost(issue), value);
}
