/**
 * Everything the gateway knows about who is calling: passwords, tokens, sessions, cached keys and people, and what was revoked. Kept in step
 * with the other gateways by announcements.
 */
import type { ApiKeyRecord, RevokedSubject, SessionRecord, UserRecord } from '@inkwell/contracts';
import {
  AccessTokens,
  createGithubSignIn,
  type GithubSignIn,
  Keyring,
  Passwords,
  SignInBackoff,
} from '@inkwell/identity';
import type { Logger } from '@inkwell/observability';
import type { Clock } from '@inkwell/ports';
import type { GatewayConfig } from '../config.ts';
import type { GatewayPorts } from '../context.ts';
import { KeyUses } from './key-uses.ts';
import { OpenCalls } from './open-calls.ts';
import { ReadThrough } from './read-through.ts';
import { Revocations } from './revocations.ts';

/** How long a cached key, person or session may be out of date when announcements are lost. */
const cacheTtlMs = 5_000;
const maxCached = 20_000;

export interface KeyWithOwner {
  record: ApiKeyRecord;
  /** Of a key with an owner; undefined when that person is gone. */
  owner: UserRecord | undefined;
}

export interface Identity {
  readonly keyring: Keyring;
  /** Signs what must outlive a change of the token secrets. */
  readonly keySecrets: Keyring;
  readonly passwords: Passwords;
  readonly accessTokens: AccessTokens;
  readonly backoff: SignInBackoff;
  readonly github: GithubSignIn | undefined;
  readonly keysByHash: ReadThrough<KeyWithOwner>;
  readonly keysById: ReadThrough<KeyWithOwner>;
  readonly users: ReadThrough<UserRecord>;
  readonly sessions: ReadThrough<SessionRecord>;
  readonly uses: KeyUses;
  readonly openCalls: OpenCalls;
  readonly revocations: Revocations;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Parts {
  ports: GatewayPorts;
  config: GatewayConfig;
  clock: Clock;
  log: Logger;
}

const keyTags = ({ record, owner }: KeyWithOwner) => [`key:${record.id}`, ...(owner ? [`user:${owner.id}`] : [])];

function createCaches({ ports, clock }: Parts) {
  const options = { clock, ttlMs: cacheTtlMs, maxEntries: maxCached };
  const { keyStore, sessionStore, userStore } = ports;
  const withOwner = async (record: ApiKeyRecord | undefined): Promise<KeyWithOwner | undefined> =>
    record && { record, owner: record.userId === null ? undefined : await userStore.get(record.userId) };
  return {
    keysByHash: new ReadThrough<KeyWithOwner>({
      ...options,
      load: async (hash) => withOwner(await keyStore.findByHash(hash)),
      tagsOf: keyTags,
    }),
    keysById: new ReadThrough<KeyWithOwner>({
      ...options,
      load: async (id) => withOwner(await keyStore.get(id)),
      tagsOf: keyTags,
    }),
    users: new ReadThrough<UserRecord>({
      ...options,
      load: (id) => userStore.get(id),
      tagsOf: ({ id }) => [`user:${id}`],
    }),
    sessions: new ReadThrough<SessionRecord>({
      ...options,
      load: (id) => sessionStore.get(id),
      tagsOf: ({ id, userId }) => [`session:${id}`, `user:${userId}`],
    }),
  };
}

export function createIdentity(parts: Parts): Identity {
  const { ports, config, clock, log } = parts;
  const keyring = new Keyring(config.tokenSecrets ?? [config.keySecret]);
  const caches = createCaches(parts);
  const openCalls = new OpenCalls();
  const uses = new KeyUses(ports.keyStore, clock, log);

  function forget(subject: RevokedSubject): void {
    for (const cache of Object.values(caches)) cache.drop(subject);
  }

  /** A person's keys outlive their sign-ins: whether a key's call must end is asked of the stores. */
  async function endIfVoid(keyId: string, end: () => void): Promise<void> {
    const found = await caches.keysById.get(keyId).catch(() => undefined);
    if (!found || !isUsableKey(found, clock.now())) end();
  }

  const revocations = new Revocations(
    { store: ports.revocationStore, announcements: ports.announcements, clock, log },
    {
      onChanged: forget,
      onRevoked(subject) {
        for (const { caller, end } of openCalls.of(subject)) {
          if (caller.keyId !== '' && subject.startsWith('user:')) void endIfVoid(caller.keyId, end);
          else if (revocations.isRevoked(subject, caller.issuedAt)) end();
        }
      },
      onGap() {
        for (const cache of Object.values(caches)) cache.dropAll();
      },
    },
  );
  return {
    keyring,
    keySecrets: new Keyring([config.keySecret]),
    passwords: new Passwords(),
    accessTokens: new AccessTokens(keyring, config.issuer, clock),
    backoff: new SignInBackoff(ports.attemptStore),
    github: config.github && createGithubSignIn(config.github, keyring),
    ...caches,
    uses,
    openCalls,
    revocations,
    async start() {
      await revocations.start();
      uses.start();
    },
    async stop() {
      revocations.stop();
      await uses.stop();
    },
  };
}

/** Whether the key opens anything now: neither revoked nor past its time, and its owner, if it has one, still there and not disabled. */
export function isUsableKey({ record, owner }: KeyWithOwner, now: number): boolean {
  if (record.revokedAt !== null || (record.expiresAt !== null && record.expiresAt <= now)) return false;
  return record.userId === null || (owner !== undefined && owner.disabledAt === null);
}
