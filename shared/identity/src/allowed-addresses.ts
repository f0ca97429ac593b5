/** Lists of addresses and networks (CIDR) a key may be used from. An IPv4 address mapped into IPv6 counts as what it is. */
import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.process>;

/** Whether the text is an address or a network. */
export function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  if (rest.length > 0 || !ipaddr.isValid(address) || address.includes('%')) return false;
  // `ipaddr` also takes the old notations (octal, fewer than four parts), which people read differently.
  if (!address.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(address)) return false;
  return bits === undefined || ipaddr.isValidCIDR(text);
}

function contains(network: string, address: Address): boolean {
  if (!network.includes('/')) return ipaddr.process(network).toNormalizedString() === address.toNormalizedString();
  const [base, bits] = ipaddr.parseCIDR(network);
  return base.kind() === address.kind() && address.match([base, bits] as [ipaddr.IPv6, number]);
}

/** An address that cannot be read is allowed nowhere. */
export function isAllowedAddress(ip: string, allowed: readonly string[]): boolean {
  if (!ipaddr.isValid(ip)) return false;
  const address = ipaddr.process(ip);
  return allowed.some((network) => contains(network, address));
}
