/** Private keys in their textual encoding (RFC 7468): their first line is enough to tell. */
const opening = '-----begin ';
const label = /^(?:[a-z0-9]+ ){0,3}private key(?: block)?-----/;
const longestLabel = 64;

export function hasPrivateKey(folded: string): boolean {
  for (let at = folded.indexOf(opening); at >= 0; at = folded.indexOf(opening, at + 1)) {
    const from = at + opening.length;
    if (label.test(folded.slice(from, from + longestLabel))) return true;
  }
  return false;
}
