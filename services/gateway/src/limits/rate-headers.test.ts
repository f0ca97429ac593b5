import type { LimitUse } from '@inkwell/ports';
import { expect, it } from 'vitest';
import { rateHeaders } from './rate-headers.ts';

const now = 1_700_000_000_000;
const use = (name: string, window: 'minute' | 'day', amount: number, used: number, inMs: number | null): LimitUse => ({
  limit: { name, unit: name.endsWith('tokens') ? 'tokens' : 'requests', window, amount },
  used,
  returnsAt: inMs === null ? null : now + inMs,
});

it('tells the tightest of each unit, and all of them as structured fields that name nobody', () => {
  const uses = [
    use('ip:10.0.0.1:requests', 'minute', 100, 1, 60_001),
    use('key:key_1:requests', 'minute', 10, 4, 30_000),
    use('key:key_1:tokens', 'minute', 5_000, 0, null),
    use('key:key_1:tokens', 'day', 4_000, 4_100, 500),
  ];
  expect(rateHeaders(uses, now)).toEqual({
    'x-ratelimit-limit-requests': '10',
    'x-ratelimit-remaining-requests': '6',
    'x-ratelimit-reset-requests': '30s',
    'x-ratelimit-limit-tokens': '4000',
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': '1s',
    'ratelimit-policy':
      '"ip-requests-minute";q=100;w=60, "key-requests-minute";q=10;w=60, "key-tokens-minute";q=5000;qu="tokens";w=60, "key-tokens-day";q=4000;qu="tokens";w=86400',
    ratelimit:
      '"ip-requests-minute";r=99;t=61, "key-requests-minute";r=6;t=30, "key-tokens-minute";r=5000;t=0, "key-tokens-day";r=0;t=1',
  });
});

it('says nothing where nothing is limited', () => {
  expect(rateHeaders([], now)).toEqual({});
});
