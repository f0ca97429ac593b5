import { InkwellError } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { parseStrictJson } from './strict-json.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function refusal(input: string | Uint8Array): { code: string; param: string | null } {
  try {
    parseStrictJson(typeof input === 'string' ? bytes(input) : input);
  } catch (error) {
    if (error instanceof InkwellError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('was accepted');
}

describe('reading JSON strictly', () => {
  it('reads what JSON.parse reads, for any well-formed document', () => {
    const seed = 20_261_123;
    const document = fc.jsonValue({ maxDepth: 6 }).map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(document, (text) => {
        fc.pre(!text.includes('__proto__'));
        expect(parseStrictJson(bytes(text))).toEqual(JSON.parse(text));
      }),
      { seed, numRuns: 500 },
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":{"b":1,"\\u0062":2}}', 'a.b'],
    ['{"a":[0,{"k":1,"x":"},{","k":2}]}', 'a.1.k'],
    ['{"a":"\\ud800"}', 'a'],
    ['{"a":["x","\\udc00 y"]}', 'a.1'],
    ['{"a":1e999}', 'a'],
    ['{"a":[1,-1e999]}', 'a.1'],
  ])('refuses %s and names %s', (text, param) => {
    expect(refusal(text)).toEqual({ code: 'invalid_parameter', param });
  });

  it('finds a key that stands twice among any strings, escapes and colons', () => {
    const strings = fc.oneof(
      fc.string(),
      fc.stringMatching(/^["\\\\:{},]*$/),
      fc.constantFrom('":"', '\\"', '\\\\', ':'),
    );
    const members = fc.uniqueArray(fc.tuple(strings, fc.oneof(strings, fc.jsonValue())), {
      selector: ([key]) => key,
      minLength: 1,
    });
    fc.assert(
      fc.property(members, fc.nat(), (pairs, at) => {
        fc.pre(!JSON.stringify(pairs).includes('__proto__'));
        const text = (all: typeof pairs) =>
          `{${all.map(([key, value]) => `${JSON.stringify(key)} : ${JSON.stringify(value)}`).join(' , ')}}`;
        // V8 13.6 misreads some keys that end in an escape (the second document with `{"a":…,"\\\\…"` takes the first one's key): not ours to judge.
        expect(parseStrictJson(bytes(text(pairs)))).toEqual(JSON.parse(text(pairs)));
        const [again] = pairs[at % pairs.length]!;
        const twice = text([...pairs, [again, 1]]);
        expect(refusal(twice)).toEqual({ code: 'invalid_parameter', param: again.slice(0, 256) });
      }),
      { seed: 20_261_124, numRuns: 500 },
    );
  });

  it('refuses __proto__ as the unknown field it is, wherever it stands', () => {
    expect(refusal('{"__proto__":{"polluted":1}}')).toEqual({ code: 'unknown_parameter', param: '__proto__' });
    expect(refusal('{"metadata":{"__proto__":"x"}}').param).toBe('metadata.__proto__');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it.each(['', '{', '{"a":}', 'undefined', '{"a":NaN}', '{"a":Infinity}', "{'a':1}", '[1,]'])(
    'calls %j invalid JSON',
    (text) => {
      expect(refusal(text).code).toBe('invalid_json');
    },
  );

  it('calls bytes that are not UTF-8 invalid', () => {
    expect(refusal(Uint8Array.of(0x22, 0xff, 0xfe, 0x22)).code).toBe('invalid_json');
    expect(refusal(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)).code).toBe('invalid_json');
  });

  it('refuses depth and sheer number before they cost anything', () => {
    expect(refusal(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`).code).toBe('invalid_parameter');
    expect(refusal(`{"a":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`).param).toBe('a');
    expect(refusal(`{"prompt":[${'1,'.repeat(300_000)}1]}`).param).toBe('prompt');
    expect(refusal(`{"prompt":[${`[${'1,'.repeat(15_000)}1],`.repeat(10)}1]}`).param).toBe('prompt');
  });
});

describe('canonical JSON', () => {
  it('is the same for every order of keys, and differs for different values', () => {
    expect(canonicalJson({ b: [1, { d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[1,{"c":null,"d":1}]}');
    expect(canonicalJson({ a: 1, b: 2 })).toBe(canonicalJson({ b: 2, a: 1 }));
    expect(canonicalJson({ a: '1' })).not.toBe(canonicalJson({ a: 1 }));
  });
});
