import { InkwellError } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { parseQuery } from './parse-query.ts';

describe('reading the query', () => {
  it('decodes names and values and gathers members of an object', () => {
    expect(parseQuery('/v1/jobs')).toEqual({});
    expect(parseQuery('/v1/jobs?limit=5&metadata[a]=x+y&metadata%5Bb%5D=%C3%A4&after=')).toEqual({
      limit: '5',
      metadata: { a: 'x y', b: 'ä' },
      after: '',
    });
  });

  it.each([
    ['?limit=%', 'limit'],
    ['?limit=%ff', 'limit'],
    ['?%ff=1', 'query'],
    ['?limit=1&limit=2', 'limit'],
    ['?metadata[a]=1&metadata[a]=2', 'metadata.a'],
    ['?metadata=1&metadata[a]=2', 'metadata'],
    ['?__proto__=1', '__proto__'],
    ['?__proto__[a]=1', '__proto__[a]'],
    ['?metadata[__proto__]=1', 'metadata.__proto__'],
  ])('refuses %s and names %s', (query, param) => {
    expect(() => parseQuery(`/v1/jobs${query}`)).toThrow(InkwellError);
    try {
      parseQuery(`/v1/jobs${query}`);
    } catch (error) {
      expect((error as InkwellError).param).toBe(param);
    }
  });
});
