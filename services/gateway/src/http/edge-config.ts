/** How the gateway meets the outside: which proxies speak for clients, which names and origins are served, whether plain HTTP is. */
import { BlockList, isIP } from 'node:net';

export interface EdgeConfig {
  /** Addresses and networks (CIDR) whose `X-Forwarded-*` headers are believed. */
  trustedProxies: readonly string[];
  /** Names under which requests are taken, without port; `*.example.com` is every name below. Empty: any. */
  trustedHosts: readonly string[];
  /** Origins whose pages may call the API (`https://app.example.com`); `*` is every one. Empty: none but our own. */
  corsOrigins: readonly string[];
  /** Plain HTTP is answered with a redirect, or refused where a redirect would hide that a secret was sent in the clear. */
  requireHttps: boolean;
  /** Hosts (also `host:port`) that webhooks may call although they are not public or speak plain HTTP. */
  webhookHosts: ReadonlySet<string>;
}

export const defaultEdge: EdgeConfig = {
  trustedProxies: [],
  trustedHosts: [],
  corsOrigins: [],
  requireHttps: false,
  webhookHosts: new Set(),
};

/** The settings as they are named in the environment. */
export interface EdgeSettings {
  INKWELL_TRUSTED_PROXIES: readonly string[];
  INKWELL_TRUSTED_HOSTS: readonly string[];
  INKWELL_CORS_ORIGINS: readonly string[];
  INKWELL_REQUIRE_HTTPS: 'on' | 'off';
  INKWELL_WEBHOOK_ALLOWED_HOSTS: readonly string[];
}

export function edgeConfigOf(settings: EdgeSettings): EdgeConfig {
  return {
    trustedProxies: settings.INKWELL_TRUSTED_PROXIES,
    trustedHosts: settings.INKWELL_TRUSTED_HOSTS.map((host) => host.toLowerCase()),
    corsOrigins: settings.INKWELL_CORS_ORIGINS,
    requireHttps: settings.INKWELL_REQUIRE_HTTPS === 'on',
    webhookHosts: new Set(settings.INKWELL_WEBHOOK_ALLOWED_HOSTS),
  };
}

/** Whether an address is one of those listed; IPv4 is recognised inside IPv6. */
export function addressMatcher(listed: readonly string[]): (address: string | undefined) => boolean {
  const known = new BlockList();
  for (const entry of listed) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) known.addAddress(address, family);
    else known.addSubnet(address, Number(bits), family);
  }
  return (address = '') => {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
    const family = isIP(plain);
    return family !== 0 && known.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  };
}
