/**
 * The query string, read strictly: broken percent-encoding, bytes that aren't UTF-8 and repeated names are refused with the name at fault.
 * `name[key]=value` becomes a member of an object.
 */
import { InkwellError } from '@inkwell/contracts';

const maxPairs = 64;
/** Whatever stands between the first bracket and the last is the key. */
const memberName = /^([^[\]]+)\[(.+)\]$/s;

function decode(text: string, param: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new InkwellError('invalid_parameter', { param, message: `${param}: bad percent-encoding`, cause });
  }
}

function put(target: Record<string, unknown>, key: string, value: unknown, param: string): void {
  if (key === '__proto__') throw new InkwellError('unknown_parameter', { param });
  if (Object.hasOwn(target, key)) {
    throw new InkwellError('invalid_parameter', { param, message: `${param}: given more than once` });
  }
  target[key] = value;
}

/** @param url path and query as they came in the request line */
export function parseQuery(url: string): Record<string, unknown> {
  const start = url.indexOf('?');
  const pairs =
    start < 0
      ? []
      : url
          .slice(start + 1)
          .split('&')
          .filter(Boolean);
  if (pairs.length > maxPairs) throw new InkwellError('invalid_parameter', { param: 'query' });
  const query: Record<string, unknown> = {};
  for (const pair of pairs) {
    const [rawName = '', ...rest] = pair.split('=');
    const name = decode(rawName, 'query');
    const value = decode(rest.join('='), name);
    const member = memberName.exec(name);
    if (!member) {
      put(query, name, value, name);
      continue;
    }
    const [, outer = '', inner = ''] = member;
    if (outer === '__proto__') throw new InkwellError('unknown_parameter', { param: name });
    const group = Object.hasOwn(query, outer) ? query[outer] : {};
    if (typeof group !== 'object' || group === null) {
      throw new InkwellError('invalid_parameter', { param: outer, message: `${outer}: given more than once` });
    }
    put(group as Record<string, unknown>, inner, value, `${outer}.${inner}`);
    query[outer] = group;
  }
  return query;
}
