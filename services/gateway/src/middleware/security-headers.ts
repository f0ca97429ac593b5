/** Headers that keep browsers and caches from doing more with an answer than hand it over. `/docs` replaces the content policy with its own. */
import type { Gate } from './gate.ts';

const headers = Object.entries({
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-permitted-cross-domain-policies': 'none',
  // The filter of old browsers did more harm than good.
  'x-xss-protection': '0',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
});

export const securityHeaders: Gate = (_request, response) => {
  for (const [name, value] of headers) response.setHeader(name, value);
  return true;
};
