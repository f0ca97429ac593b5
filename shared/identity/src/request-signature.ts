/**
 * HTTP Message Signatures (RFC 9421) of requests, hmac-sha256 (section 3.3.3). A signature must cover `@method`, `@path`, `@query` and, when there is
 * a body, `content-digest` (RFC 9530); it says when it was made and carries a nonce. Whether the nonce is new is the caller's to check.
 */
import { createHash, createHmac } from 'node:crypto';
import type { Keyring } from './keyring.ts';
import { sameText } from './keyring.ts';

/** How far `created` may lie from now, in seconds. */
export const maxSkewSeconds = 300;

export interface SignedMessage {
  method: string;
  /** Path and query as they stood in the request line. */
  target: string;
  headers: { signature?: string; signatureInput?: string; contentDigest?: string };
  /** The body's bytes; undefined when the operation takes none. */
  body: Uint8Array | undefined;
}

export type SignatureCheck = { valid: true; nonce: string; createdSeconds: number } | { valid: false; problem: string };

/** The secret of a key's signatures (base64url): derived, so that it need not be stored. Changes when the key is rotated. */
export function signingSecret(keyring: Keyring, keyId: string, keyHash: string): string {
  return keyring.sign('request signature', `${keyId}.${keyHash}`);
}

/** `label=("a" "b");param=1;other="x"`: the one member we make use of. */
const inputFormat =
  /^([a-z*][a-z0-9_.*-]{0,63})=\(((?:"[a-z0-9@-]+")(?: "[a-z0-9@-]+"){0,15})\)((?:;[a-z*][a-z0-9_.*-]*=(?:"[\x20\x21\x23-\x5b\x5d-\x7e]{0,256}"|-?\d{1,15}))*)$/;
const signatureFormat = /^([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{43}=):$/;

interface SignatureInput {
  label: string;
  components: string[];
  /** Everything behind `label=`, as it was sent: it is signed, too. */
  text: string;
  parameters: Map<string, string>;
}

function readInput(header: string): SignatureInput | undefined {
  const [, label, list, rest] = inputFormat.exec(header) ?? [];
  if (label === undefined || list === undefined) return undefined;
  const pairs = [...(rest ?? '').matchAll(/;([^=]+)=(?:"([^"]*)"|(-?\d+))/g)].map(
    ([, name, quoted, number]) => [name!, quoted ?? number!] as const,
  );
  const components = list.split(' ').map((one) => one.slice(1, -1));
  return { label, components, text: header.slice(label.length + 1), parameters: new Map(pairs) };
}

/** RFC 9530: `sha-256=:…:`, alone or beside others. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

function digestMatches(header: string | undefined, body: Uint8Array): boolean {
  const given = (header ?? '').split(',').map((one) => one.trim());
  return given.some((one) => sameText(one, contentDigest(body)));
}

/** Section 2.2; a request without a query has the empty one, which is `?` (section 2.2.7). */
function componentValue(component: string, { method, target, headers }: SignedMessage): string | undefined {
  const mark = target.indexOf('?');
  if (component === '@method') return method.toUpperCase();
  if (component === '@path') return mark < 0 ? target : target.slice(0, mark);
  if (component === '@query') return mark < 0 ? '?' : target.slice(mark);
  if (component === 'content-digest') return headers.contentDigest?.trim();
  return undefined;
}

/** Section 2.5. Undefined when a component is one we don't know. */
export function signatureBase(
  message: SignedMessage,
  components: readonly string[],
  input: string,
): string | undefined {
  const lines: string[] = [];
  for (const component of components) {
    const value = componentValue(component, message);
    if (value === undefined) return undefined;
    lines.push(`"${component}": ${value}`);
  }
  return [...lines, `"@signature-params": ${input}`].join('\n');
}

const invalid = (problem: string): SignatureCheck => ({ valid: false, problem });

/** @param secret as `signingSecret` made it */
export function checkSignature(
  message: SignedMessage,
  keyId: string,
  secret: string,
  nowSeconds: number,
): SignatureCheck {
  const input = readInput(message.headers.signatureInput ?? '');
  if (!input) return invalid('Signature-Input is missing or not understood');
  const [, label, signature] = signatureFormat.exec(message.headers.signature ?? '') ?? [];
  if (label !== input.label || signature === undefined) return invalid('Signature is missing or not understood');
  const { components, parameters } = input;
  const needed = ['@method', '@path', '@query', ...(message.body?.length ? ['content-digest'] : [])];
  const missing = needed.find((one) => !components.includes(one));
  if (missing) return invalid(`the signature does not cover ${missing}`);
  if (new Set(components).size !== components.length) return invalid('a component is named twice');
  if ((parameters.get('alg') ?? 'hmac-sha256') !== 'hmac-sha256') return invalid('alg must be hmac-sha256');
  if (parameters.get('keyid') !== keyId) return invalid('keyid must be the id of the API key');
  const created = Number(parameters.get('created') ?? Number.NaN);
  if (!(Math.abs(nowSeconds - created) <= maxSkewSeconds)) return invalid('created is missing or too far from now');
  const expires = parameters.get('expires');
  if (expires !== undefined && !(Number(expires) > nowSeconds)) return invalid('the signature has expired');
  const nonce = parameters.get('nonce') ?? '';
  if (nonce.length < 8) return invalid('nonce must have at least 8 characters');
  if (message.body?.length && !digestMatches(message.headers.contentDigest, message.body)) {
    return invalid('Content-Digest does not match the body');
  }
  const base = signatureBase(message, components, input.text);
  if (base === undefined) return invalid('the signature covers something unknown');
  const expected = createHmac('sha256', Buffer.from(secret, 'base64url')).update(base).digest('base64');
  return sameText(expected, signature)
    ? { valid: true, nonce, createdSeconds: created }
    : invalid('the signature is wrong');
}
