/** E-mail addresses in their usual form (the dot-atom of RFC 5322, section 3.4.1, at a domain name of two labels or more). */
const longestLocalPart = 64;
const longestDomain = 253;
const localCharacter = /[a-z0-9.!#$%&'*+/=?^_`{|}~-]/;
const domainForm = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}/;

export function hasEmail(folded: string): boolean {
  for (let at = folded.indexOf('@'); at >= 0; at = folded.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < longestLocalPart && localCharacter.test(folded[start - 1]!)) start--;
    if (start < at && domainForm.test(folded.slice(at + 1, at + 1 + longestDomain))) return true;
  }
  return false;
}
