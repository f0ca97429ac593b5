/**
 * Whether an IP address is one that anybody on the Internet may be asked to call. An allow-list: global unicast and nothing else, so that a range
 * nobody thought of is refused. Addresses that carry an IPv4 address inside (mapped, 6to4, NAT64, Teredo) are refused whatever is inside.
 */
import ipaddr from 'ipaddr.js';

/** RFC 4291, section 2.4, as allocated by IANA. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');
/** Looks public and isn't: documentation (RFC 9637), and the metadata service of a cloud. */
const never = ['3fff::/20', '168.63.129.16/32'].map((range) => ipaddr.parseCIDR(range));

/** @param address in the usual notation of its family, as name resolution answers it */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || address.includes('%')) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  if (parsed.kind() === 'ipv6' && !parsed.match(globalUnicast)) return false;
  return !never.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match([range, bits]));
}
