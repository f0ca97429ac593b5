import { createHmac } from 'node:crypto';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apiKeyPrefix, hashApiKey, hashApiKeyOnce, isPlausibleApiKey, makeApiKey, sameHash } from './api-key.ts';

describe('API keys', () => {
  it('have the published form, never repeat, and use the whole alphabet', () => {
    const keys = Array.from({ length: 2_000 }, makeApiKey);
    for (const key of keys) expect(key).toMatch(/^ik_[0-9A-Za-z]{36}$/);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys.map((key) => key.slice(3)).join('')).size).toBe(62);
  });

  it('are refused without a look-up when any one character is wrong', () => {
    const key = makeApiKey();
    for (let place = 3; place < key.length; place++) {
      const other = key[place] === 'A' ? 'B' : 'A';
      const mistyped = key.slice(0, place) + other + key.slice(place + 1);
      expect(isPlausibleApiKey(mistyped), `character ${place}`).toBe(false);
    }
    expect(isPlausibleApiKey(key)).toBe(true);
  });

  it('may be chosen by an operator if they are long enough to be safe', () => {
    expect(isPlausibleApiKey('x'.repeat(31))).toBe(false);
    expect(isPlausibleApiKey('x'.repeat(32))).toBe(true);
    expect(isPlausibleApiKey(`${'x'.repeat(32)} `)).toBe(false);
  });

  it('are kept as a hash that depends on the server secret', () => {
    const key = makeApiKey();
    expect(hashApiKey('a'.repeat(32), key)).toMatch(/^[0-9a-f]{64}$/);
    expect(hashApiKey('a'.repeat(32), key)).not.toBe(hashApiKey('b'.repeat(32), key));
    expect(sameHash(hashApiKey('s', key), hashApiKey('s', key))).toBe(true);
    expect(sameHash(hashApiKey('s', key), hashApiKey('s', `${key}x`))).toBe(false);
    expect(sameHash('ab', '')).toBe(false);
    expect(key.startsWith(apiKeyPrefix(key))).toBe(true);
  });

  it('have the same hash over a connection, whatever came over it before', () => {
    const connections = [new Socket(), new Socket()] as const;
    const keys = [makeApiKey(), makeApiKey()] as const;
    for (const [connection, key] of [
      [0, 0],
      [0, 0],
      [1, 1],
      [0, 1],
      [0, 1],
      [0, 0],
      [1, 1],
    ] as const) {
      expect(hashApiKeyOnce(connections[connection], 'secret', keys[key])).toBe(hashApiKey('secret', keys[key]));
    }
  });

  it('are hashed by HMAC-SHA-256, whatever the secret and the key', () => {
    const secrets = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.uint8Array({ maxLength: 200 }));
    const keys = fc.array(fc.string({ unit: 'binary', maxLength: 128 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(secrets, keys, (secret, texts) => {
        for (const text of texts) {
          expect(hashApiKey(secret, text)).toBe(createHmac('sha256', secret).update(text).digest('hex'));
        }
      }),
      { seed: 20_261_125, numRuns: 500 },
    );
    expect(() => hashApiKey('s', 'x'.repeat(257))).toThrow(RangeError);
  });
});
