/** US social security numbers, written with hyphens, or as nine digits behind their name. Ranges that are never issued don't count (SSA, 2011). */
import { holdsDigit } from './holds-digit.ts';

const hyphenated = /(?<![\p{L}\p{N}-])(\d{3})-(\d{2})-(\d{4})(?![\p{L}\p{N}-])/gu;
const named = /(?:ssn|social security(?: number)?)[ :#.]{0,4}(?:is )?(\d{3}) ?(\d{2}) ?(\d{4})(?![\p{L}\p{N}])/gu;

function isIssued(area: string, group: string, serial: string): boolean {
  return area !== '000' && area !== '666' && area < '900' && group !== '00' && serial !== '0000';
}

export function hasUsSsn(folded: string): boolean {
  if (!holdsDigit(folded)) return false;
  for (const form of [hyphenated, named]) {
    for (const [, area = '', group = '', serial = ''] of folded.matchAll(form)) {
      if (isIssued(area, group, serial)) return true;
    }
  }
  return false;
}
