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

/** Walks the parsed value; `path` is reused, so it must not be kept. */
function refuseHarmfulValues(value: unknown, path: (string | number)[], budget: { values: number }): void {
  if (--budget.values < 0) refuse(path.slice(0, 1), `must hold at most ${maxValues} values`);
  if (typeof value === 'string' && !value.isWellFormed()) refuse(path, 'holds half of a surrogate pair');
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(path, 'is too large a number');
  if (typeof value !== 'object' || value === null) return;
  if (path.length >= maxDepth) refuse(path.slice(0, 1), `is nested deeper than ${maxDepth} levels`);
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  if (entries.length > maxEntries) refuse(path, `must hold at most ${maxEntries} entries`);
  for (const [key, item] of entries) {
    path.push(key);
    if (key === '__proto__') throw new InkwellError('unknown_parameter', { param: path.join('.') });
    if (typeof key === 'string' && !key.isWellFormed()) refuse(path, 'has half of a surrogate pair in its name');
    refuseHarmfulValues(item, path, budget);
    path.pop();
  }
}

/** @throws InkwellError `invalid_json`, `invalid_parameter` or `unknown_parameter` */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InkwellError('invalid_json', { param: 'body', message: 'The request body is not valid UTF-8.', cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InkwellError('invalid_json', { param: 'body', cause });
  }
  refuseHarmfulValues(value, [], { values: maxValues });
  refuseDuplicateKeys(text);
  return value;
}
