import { describe, expect, it } from 'vitest';
import { factSchema } from './fact.ts';

const fact = {
  version: 1,
  id: 'job.ended:acme:job_1',
  kind: 'job.ended',
  subject: 'acme:job_1',
  at: 1,
  body: { key: 'acme:job_1' },
};

describe('the envelope of a fact', () => {
  it('leaves its body to who reads the kind, as it came', () => {
    const body = { any: { thing: [1, null, 'x'] } };
    expect(factSchema.parse({ ...fact, body }).body).toEqual(body);
  });

  it.each([undefined, null, 'text', 1, true, [], [fact.body]])('has a body with fields and not %j', (body) => {
    expect(factSchema.safeParse({ ...fact, body }).error?.issues[0]?.path).toEqual(['body']);
  });

  it('has nothing else', () => {
    expect(factSchema.safeParse({ ...fact, prompt: 'a secret' }).success).toBe(false);
  });
});
