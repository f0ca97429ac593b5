import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { renderErrorReference } from './error-reference.ts';
import { errorTable, InkwellError } from './errors.ts';

it('keeps docs/errors.md equal to the table (npm run docs:generate rewrites it)', () => {
  expect(readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')).toBe(renderErrorReference());
});

it('gives every code a body with all four fields', () => {
  for (const code of Object.keys(errorTable) as (keyof typeof errorTable)[]) {
    expect(new InkwellError(code).toBody()).toEqual({
      message: expect.any(String),
      type: expect.any(String),
      param: null,
      code,
    });
  }
});

it('never tells a client what caused an error', () => {
  const error = new InkwellError('internal_error', { cause: new Error('password=hunter2') });
  expect(JSON.stringify(error.toBody())).not.toContain('hunter2');
});
