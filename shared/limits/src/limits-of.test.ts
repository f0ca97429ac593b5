import { expect, it } from 'vitest';
import { limitsOfAddress, limitsOfSubject, noRates, type RateSettings } from './limits-of.ts';

const settings: RateSettings = {
  ipRequestsPerMinute: null,
  readsPerMinute: null,
  user: { ...noRates, requestsPerMinute: 10 },
  key: { ...noRates, requestsPerMinute: 100, tokensPerMinute: 5_000, tokensPerMonth: 1_000_000 },
};
const amounts = (...given: Parameters<typeof limitsOfSubject>) =>
  limitsOfSubject(...given).map(({ name, window, amount }) => [name, window, amount]);

it('binds keys and people by what is configured for each', () => {
  expect(amounts(settings, { kind: 'key', id: 'k', role: 'user', overrides: null })).toEqual([
    ['key:k:requests', 'minute', 100],
    ['key:k:tokens', 'minute', 5_000],
    ['key:k:tokens', 'month', 1_000_000],
  ]);
  expect(amounts(settings, { kind: 'user', id: 'u', role: 'operator', overrides: null })).toEqual([
    ['user:u:requests', 'minute', 10],
  ]);
});

it('lets the record of a key say otherwise, where it says anything', () => {
  const overrides = { requestsPerMinute: 7, tokensPerMinute: null, tokensPerDay: 50 };
  expect(amounts(settings, { kind: 'key', id: 'k', role: 'user', overrides })).toEqual([
    ['key:k:requests', 'minute', 7],
    ['key:k:tokens', 'minute', 5_000],
    ['key:k:tokens', 'day', 50],
    ['key:k:tokens', 'month', 1_000_000],
  ]);
});

it('binds superusers by their own record alone', () => {
  const subject = { kind: 'key', id: 'k', role: 'superuser' } as const;
  expect(amounts(settings, { ...subject, overrides: null })).toEqual([]);
  expect(amounts(settings, { ...subject, overrides: { tokensPerDay: 9 } })).toEqual([['key:k:tokens', 'day', 9]]);
});

it('binds addresses only where that is switched on', () => {
  expect(limitsOfAddress(settings, '10.0.0.1')).toEqual([]);
  expect(limitsOfAddress({ ...settings, ipRequestsPerMinute: 3 }, '10.0.0.1')).toMatchObject([{ amount: 3 }]);
});
