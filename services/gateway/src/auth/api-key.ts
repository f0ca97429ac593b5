/**
 * Making, checking and hashing API keys. A key is `ik_`, 30 random base62 characters (178 bits) and a CRC-32 of what stands before it, so a
 * mistyped key is refused without a look-up. Only the keyed hash of a key is ever stored.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const prefix = 'ik_';
const randomLength = 30;
const checksumLength = 6;
const ownFormat = new RegExp(`^${prefix}[0-9A-Za-z]{${randomLength + checksumLength}}$`);
const longestKey = 256;
/** Keys an operator chose: at least 32 visible ASCII characters. */
const chosenFormat = new RegExp(`^[\\x21-\\x7e]{32,${longestKey}}$`);

/** Bytes from 248 on are thrown away: 248 is the largest multiple of 62, so every character is equally likely. */
function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += alphabet[byte % 62];
    }
  }
  return text;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let place = 0; place < checksumLength; place++) {
    digits = alphabet[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** A new key. It is shown once and cannot be recovered. */
export function makeApiKey(): string {
  const body = prefix + randomBase62(randomLength);
  return body + checksum(body);
}

/** Whether this could be a key at all: our format with the right checksum, or a long enough key of the operator's choosing. */
export function isPlausibleApiKey(key: string): boolean {
  if (ownFormat.test(key)) return checksum(key.slice(0, -checksumLength)) === key.slice(-checksumLength);
  return chosenFormat.test(key);
}

/** Made ready once: every request hashes a key under the same secret. */
let prepared: { secret: string | Uint8Array; key: KeyObject } | undefined;

function preparedSecret(secret: string | Uint8Array): KeyObject {
  if (prepared?.secret !== secret) {
    const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret;
    prepared = { secret, key: createSecretKey(bytes) };
  }
  return prepared.key;
}

/**
 * HMAC-SHA-256 (hex) of the key under the server's secret.
 * @throws RangeError for a text that is too long for a key
 */
export function hashApiKey(serverSecret: string | Uint8Array, key: string): string {
  if (key.length > longestKey) throw new RangeError(`an API key has at most ${longestKey} characters`);
  return createHmac('sha256', preparedSecret(serverSecret)).update(key).digest('hex');
}

/** What each connection brought last: clients keep their connection and their key, and making a hash costs a twentieth of a whole request. */
const lastHashes = new WeakMap<Socket, { key: string; hash: string }>();

/** As `hashApiKey`, made once for a key that comes over the same connection again; gone with the connection. */
export function hashApiKeyOnce(connection: Socket, serverSecret: string | Uint8Array, key: string): string {
  const last = lastHashes.get(connection);
  if (last?.key === key) return last.hash;
  const hash = hashApiKey(serverSecret, key);
  lastHashes.set(connection, { key, hash });
  return hash;
}

/** Compares two hex hashes in constant time. */
export function sameHash(left: string, right: string): boolean {
  const a = Buffer.from(left, 'hex');
  const b = Buffer.from(right, 'hex');
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What a person may see of a key. */
export function apiKeyPrefix(key: string): string {
  return key.slice(0, 7);
}
