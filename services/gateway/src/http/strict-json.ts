/**
 * JSON as a boundary should read it. Beyond the grammar it refuses what parsers disagree about or what could hurt further in: duplicate keys,
 * `__proto__`, numbers too large for a double, lone surrogates, deep nesting and huge collections. Every refusal names the field.
 */
import { InkwellError } from '@inkwell/contracts';

const maxDepth = 16;
const maxValues = 100_000;
const maxEntries = 20_000;

function refuse(path: readonly (string | number)[], problem: string): never {
  const param = path.length === 0 ? 'body' : path.join('.').toWellFormed().slice(0, 256);
  throw new InkwellError('invalid_parameter', { param, message: `${param}: ${problem}` });
}

/** Where the string ends that begins there. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
}

/**
 * Members of all objects as they are written: the colons outside of strings. The text must be valid JSON. Null when a key is written with an
 * escape: V8 13.6 may take such a key for another one, after which counting proves nothing.
 */
function writtenMembers(text: string): number | null {
  let members = 0;
  let escaped = false;
  /** The next backslash from here on, -1 when there is none. */
  let escapeAt = text.indexOf('\\');
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      const end = endOfString(text, at);
      if (escapeAt !== -1 && escapeAt < at) escapeAt = text.indexOf('\\', at);
      escaped = escapeAt !== -1 && escapeAt < end;
      at = end;
    } else if (code === 0x3a) {
      if (escaped) return null;
      members++;
    }
  }
  return members;
}

/** Strings, or single structural characters, of a text known to be JSON. */
const jsonToken = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;

/** Finds a key that stands twice in one object; the text must be valid JSON. */
function refuseDuplicateKeys(text: string): void {
  const scopes: { keys: Set<string> | null; name: string }[] = [];
  let lastString = '';
  for (const [token] of text.matchAll(jsonToken)) {
    const scope = scopes.at(-1);
    if (token === '{') scopes.push({ keys: new Set(), name: '' });
    else if (token === '[') scopes.push({ keys: null, name: '0' });
    else if (token === '}' || token === ']') scopes.pop();
    else if (token === ':' && scope?.keys) {
      scope.name = JSON.parse(lastString) as string;
      if (scope.keys.has(scope.name)) {
        refuse(
          scopes.map(({ name }) => name),
          'stands twice in the same object',
        );
      }
      scope.keys.add(scope.name);
    } else if (token === ',' && scope && !scope.keys) scope.name = String(Number(scope.name) + 1);
    else lastString = token;
  }
}

interface Walked {
  /** Values that may still come. */
  values: number;
  /** Members of objects met. */
  members: number;
}

/** Walks the parsed value; `path` is reused, so it must not be kept. */
function refuseHarmfulValues(value: unknown, path: (string | number)[], walked: Walked): void {
  if (--walked.values < 0) refuse(path.slice(0, 1), `must hold at most ${maxValues} values`);
  if (typeof value === 'string' && !value.isWellFormed()) refuse(path, 'holds half of a surrogate pair');
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(path, 'is too large a number');
  if (typeof value !== 'object' || value === null) return;
  if (path.length >= maxDepth) refuse(path.slice(0, 1), `is nested deeper than ${maxDepth} levels`);
  if (Array.isArray(value)) {
    if (value.length > maxEntries) refuse(path, `must hold at most ${maxEntries} entries`);
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      refuseHarmfulValues(value[index], path, walked);
      path.pop();
    }
    return;
  }
  const keys = Object.keys(value);
  if (keys.length > maxEntries) refuse(path, `must hold at most ${maxEntries} entries`);
  walked.members += keys.length;
  for (const key of keys) {
    path.push(key);
    if (key === '__proto__') throw new InkwellError('unknown_parameter', { param: path.join('.') });
    if (!key.isWellFormed()) refuse(path, 'has half of a surrogate pair in its name');
    refuseHarmfulValues((value as Record<string, unknown>)[key], path, walked);
    path.pop();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws InkwellError `invalid_json`, `invalid_parameter` or `unknown_parameter` */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new InkwellError('invalid_json', { param: 'body', message: 'The request body is not valid UTF-8.', cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InkwellError('invalid_json', { param: 'body', cause });
  }
  const walked = { values: maxValues, members: 0 };
  refuseHarmfulValues(value, [], walked);
  // Of members with one key, parsing leaves one.
  if (writtenMembers(text) !== walked.members) refuseDuplicateKeys(text);
  return value;
}
