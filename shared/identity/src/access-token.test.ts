/** Every way we know to make a token that isn't ours pass for one. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { base64url, CompactEncrypt, SignJWT, UnsecuredJWT } from 'jose';
import { expect, it } from 'vitest';
import { AccessTokens, looksLikeToken } from './access-token.ts';
import { Keyring } from './keyring.ts';

const now = 1_800_000_000_000;
const clock = { now: () => now };
const secret = 'the secret of these tests, 32 bytes at least';
const keyring = new Keyring([secret]);
const tokens = new AccessTokens(keyring, 'inkwell', clock);
const { key, kid } = keyring.keysFor('access token')[0]!;
const grant = { subject: 'user_1', clientId: 'inkwell', sessionId: 'ses_1', scopes: ['jobs', 'models'] as const };
const seconds = now / 1000;

const claims: Record<string, unknown> = {
  iss: 'inkwell',
  aud: 'inkwell',
  sub: 'user_1',
  client_id: 'inkwell',
  sid: 'ses_1',
  scope: 'jobs',
  jti: 'one',
  iat: seconds,
  nbf: seconds,
  exp: seconds + 900,
};
const header = { alg: 'HS256', typ: 'at+jwt', kid };

/** A token signed with our key; what is undefined is left out. */
function made(claimChanges: object = {}, headerChanges: object = {}, signingKey: Uint8Array = key): Promise<string> {
  const protectedHeader = JSON.parse(JSON.stringify({ ...header, ...headerChanges }));
  return new SignJWT(JSON.parse(JSON.stringify({ ...claims, ...claimChanges })))
    .setProtectedHeader(protectedHeader)
    .sign(signingKey);
}

it('accepts what it issued, every claim as given', async () => {
  const token = await tokens.issue(grant, 900_000);
  expect(looksLikeToken(token)).toBe(true);
  expect(await tokens.verify(token)).toEqual({
    ...grant,
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    issuedAt: now,
    expiresAt: now + 900_000,
  });
  expect(await tokens.verify(await made())).toMatchObject({ id: 'one', sessionId: 'ses_1' });
});

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = publicKey.export({ type: 'spki', format: 'pem' });

function byHand(headerText: string, payloadText: string, signature: string): string {
  return `${base64url.encode(headerText)}.${base64url.encode(payloadText)}.${signature}`;
}

function rs256(): string {
  const body = `${base64url.encode(JSON.stringify({ ...header, alg: 'RS256' }))}.${base64url.encode(JSON.stringify(claims))}`;
  return `${body}.${sign('sha256', Buffer.from(body), privateKey).toString('base64url')}`;
}

async function tampered(): Promise<string> {
  const [head, , signature] = (await made()).split('.');
  return `${head}.${base64url.encode(JSON.stringify({ ...claims, sub: 'user_2' }))}.${signature}`;
}

const forgeries: [string, () => string | Promise<string>][] = [
  ['alg none', () => new UnsecuredJWT(claims).encode()],
  ['alg none with our header', () => byHand(JSON.stringify({ ...header, alg: 'none' }), JSON.stringify(claims), '')],
  ['alg NONE', () => byHand(JSON.stringify({ ...header, alg: 'NONE' }), JSON.stringify(claims), 'AAAA')],
  ['RS256 where HS256 is expected', rs256],
  ['HS256 keyed with a public key', () => made({}, {}, Buffer.from(pem))],
  ['HS384 with our key', () => made({}, { alg: 'HS384' }, randomBytes(48))],
  ['HS512 with our key', () => made({}, { alg: 'HS512' }, Buffer.concat([key, key]))],
  ['another key', () => made({}, {}, randomBytes(32))],
  ['the key of another purpose', () => made({}, {}, keyring.keysFor('session secret')[0]!.key)],
  ['the secret itself as key', () => made({}, {}, Buffer.from(secret))],
  ['an unknown kid', () => made({}, { kid: 'other' })],
  ['no kid', () => made({}, { kid: undefined })],
  ['a kid that is a path', () => made({}, { kid: '../../dev/null' })],
  ['wrong aud', () => made({ aud: 'other' })],
  ['no aud', () => made({ aud: undefined })],
  ['wrong iss', () => made({ iss: 'https://evil.example' })],
  ['no iss', () => made({ iss: undefined })],
  ['typ JWT', () => made({}, { typ: 'JWT' })],
  ['no typ', () => made({}, { typ: undefined })],
  ['an ID token', () => made({}, { typ: 'id_token+jwt' })],
  ['expired', () => made({ iat: seconds - 1000, nbf: seconds - 1000, exp: seconds - 10 })],
  ['no exp', () => made({ exp: undefined })],
  ['exp as text', () => made({ exp: String(seconds + 900) })],
  ['nbf in the future', () => made({ nbf: seconds + 60 })],
  ['no nbf', () => made({ nbf: undefined })],
  ['no iat', () => made({ iat: undefined })],
  ['no sub', () => made({ sub: undefined })],
  ['empty sub', () => made({ sub: '' })],
  ['sub that is no text', () => made({ sub: ['user_1'] })],
  ['no jti', () => made({ jti: undefined })],
  ['no scope', () => made({ scope: undefined })],
  ['no client_id', () => made({ client_id: undefined })],
  ['sid that is no text', () => made({ sid: 7 })],
  ['tampered payload', tampered],
  ['tampered signature', async () => `${(await made()).slice(0, -2)}AA`],
  ['no signature', async () => `${(await made()).split('.').slice(0, 2).join('.')}.`],
  [
    'a key brought along',
    () => made({}, { jwk: { kty: 'oct', k: base64url.encode(randomBytes(32)) } }, randomBytes(32)),
  ],
  [
    'a crit header',
    () =>
      made({}, { crit: ['x'], x: 1 }).catch(() => byHand(JSON.stringify({ ...header, crit: ['x'], x: 1 }), '{}', 'AA')),
  ],
  ['huge', () => made({ filler: 'x'.repeat(8_000) })],
  [
    'encrypted instead of signed',
    () =>
      new CompactEncrypt(Buffer.from(JSON.stringify(claims)))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'at+jwt', kid })
        .encrypt(key),
  ],
  ['payload that is no object', () => byHand(JSON.stringify(header), '[]', 'AA')],
  ['payload that is no JSON', () => byHand(JSON.stringify(header), '{', 'AA')],
  ['nothing', () => ''],
  ['dots', () => '..'],
];

it.each(forgeries)('refuses: %s', async (_name, forge) => {
  expect(await tokens.verify(await forge())).toBeUndefined();
});

it('accepts the tokens of a former secret until it is taken away, and signs with the newest', async () => {
  const old = await tokens.issue(grant, 900_000);
  const newer = 'another secret of these tests, also 32 bytes';
  const rotated = new AccessTokens(new Keyring([newer, secret]), 'inkwell', clock);
  expect(await rotated.verify(old)).toBeDefined();
  const fresh = await rotated.issue(grant, 900_000);
  expect(await tokens.verify(fresh)).toBeUndefined();
  const after = new AccessTokens(new Keyring([newer]), 'inkwell', clock);
  expect([await after.verify(old), await after.verify(fresh)]).toEqual([undefined, expect.anything()]);
});

it('takes no secret that is too short', () => {
  expect(() => new Keyring(['short'])).toThrow(/at least 32/);
  expect(() => new Keyring([secret, 'short'])).toThrow(/at least 32/);
});
