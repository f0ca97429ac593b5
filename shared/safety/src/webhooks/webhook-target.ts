/**
 * Where a webhook may go: https to a public address, and nowhere else but to the hosts an operator names. What can be told from the URL alone is
 * told when a job is accepted; the addresses behind a name are looked at for every call, right before it.
 */
import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.ts';

export interface WebhookRules {
  /** `host` or `host:port` that may be called whatever their address, also by http. Lower case. */
  allowedHosts: ReadonlySet<string>;
}

const longestUrl = 2048;

/** The host without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

export function isAllowedHost(url: URL, { allowedHosts }: WebhookRules): boolean {
  return allowedHosts.has(url.hostname) || allowedHosts.has(url.host);
}

/** The URL, or why it cannot be a webhook's. Every spelling of an IPv4 address (decimal, octal, short) is seen as that address. */
export function parseWebhookUrl(text: string, rules: WebhookRules): URL | { refusal: string } {
  if (text.length > longestUrl || !URL.canParse(text))
    return { refusal: `must be a URL of up to ${longestUrl} characters` };
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return { refusal: 'must not hold a user name or password' };
  if (isAllowedHost(url, rules)) {
    return ['http:', 'https:'].includes(url.protocol) ? url : { refusal: 'must be an http or https URL' };
  }
  if (url.protocol !== 'https:') return { refusal: 'must be an https URL' };
  const host = hostOf(url);
  if (isIP(host) !== 0 && !isPublicAddress(host)) return { refusal: 'must not lead to a private address' };
  return url;
}
