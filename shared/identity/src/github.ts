/**
 * Signing in through GitHub: the authorization code grant (RFC 6749, section 4.1) with `state` and PKCE (RFC 7636), by passport-oauth2. What has to be
 * remembered between the two requests travels in a sealed cookie, so that any gateway can take the callback. Every call to GitHub has a
 * deadline; its tokens are used once and kept nowhere.
 */
import { randomBytes } from 'node:crypto';
import { InkwellError } from '@inkwell/contracts';
import { EncryptJWT, jwtDecrypt } from 'jose';
import OAuth2Strategy, { type Metadata } from 'passport-oauth2';
import { z } from 'zod';
import { type Keyring, sameText } from './keyring.ts';
import type { GithubIdentity } from './link-account.ts';

export interface GithubSettings {
  clientId: string;
  clientSecret: string;
  /** `https://github.com`, or of a GitHub Enterprise Server. */
  webUrl: string;
  /** `https://api.github.com`. */
  apiUrl: string;
  /** Where GitHub sends the browser back to; without it, where the app there says. */
  callbackUrl: string | undefined;
}

export interface GithubSignIn {
  /** Where to send the browser, and what it must bring back in a cookie. */
  begin(): Promise<{ url: string; cookie: string }>;
  /**
   * Who came back. Rejects with `sign_in_failed` when GitHub or the person refused or the browser isn't the one that began, with
   * `dependency_unavailable` when GitHub can't be asked.
   */
  finish(query: Readonly<Record<string, string | undefined>>, cookie: string | undefined): Promise<GithubIdentity>;
}

const callTimeoutMs = 10_000;
const sealedForSeconds = 600;
const headers = { accept: 'application/json', 'user-agent': 'inkwell' };

/** What the strategy knows of one request. */
interface Attempt {
  query: Readonly<Record<string, string | undefined>>;
  cookie: string | undefined;
}

type Done = (error: unknown, ok?: unknown, state?: unknown) => void;

async function settle(work: Promise<unknown>, done: Done): Promise<void> {
  await work.then(
    (value) => done(null, value),
    (error: unknown) => done(error),
  );
}

/** Keeps state and verifier in the attempt's cookie. The library tells the forms of these methods apart by their number of parameters. */
class SealedState {
  readonly #key: Uint8Array;
  readonly #accepted: readonly Uint8Array[];

  constructor(keyring: Keyring) {
    this.#accepted = keyring.keysFor('oauth state').map(({ key }) => key);
    this.#key = this.#accepted[0]!;
  }

  store(attempt: Attempt, verifier: string, _state: unknown, _meta: Metadata, done: Done): void {
    const state = randomBytes(24).toString('base64url');
    const seal = async () => {
      attempt.cookie = await new EncryptJWT({ state, verifier })
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setIssuedAt()
        .setExpirationTime(`${sealedForSeconds}s`)
        .encrypt(this.#key);
      return state;
    };
    void settle(seal(), done);
  }

  verify(attempt: Attempt, state: string | undefined, _meta: Metadata, done: Done): void {
    void settle(this.#open(attempt.cookie, state ?? ''), done);
  }

  /** The verifier, or false. */
  async #open(cookie: string | undefined, state: string): Promise<string | false> {
    for (const key of this.#accepted) {
      const opened = await jwtDecrypt(cookie ?? '', key).catch(() => undefined);
      const { state: sealed, verifier } = opened?.payload ?? {};
      if (typeof sealed === 'string' && typeof verifier === 'string' && sameText(sealed, state)) return verifier;
    }
    return false;
  }
}

function unavailable(cause: unknown): InkwellError {
  return new InkwellError('dependency_unavailable', { message: 'GitHub cannot be reached now.', cause });
}

/** The transport of the OAuth library, which has no deadlines of its own, over fetch. */
async function post(url: string, contentHeaders: object, body: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, ...contentHeaders },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(callTimeoutMs),
  });
  if (!response.ok) throw new Error(`GitHub answered ${response.status} to the code`);
  return response.text();
}

const profileSchema = z.object({ id: z.int().positive(), login: z.string().min(1).max(100) });
const emailsSchema = z.array(z.object({ email: z.string().max(254), verified: z.boolean(), primary: z.boolean() }));

async function read<Value>(url: string, accessToken: string, schema: z.ZodType<Value>): Promise<Value> {
  const response = await fetch(url, {
    headers: { ...headers, authorization: `Bearer ${accessToken}` },
    redirect: 'error',
    signal: AbortSignal.timeout(callTimeoutMs),
  });
  if (!response.ok) throw new Error(`GitHub answered ${response.status}`);
  return schema.parse(await response.json());
}

async function readIdentity(apiUrl: string, accessToken: string): Promise<GithubIdentity> {
  const [profile, emails] = await Promise.all([
    read(`${apiUrl}/user`, accessToken, profileSchema),
    read(`${apiUrl}/user/emails`, accessToken, emailsSchema),
  ]);
  const verified = emails.filter((one) => one.verified).sort((a, b) => Number(b.primary) - Number(a.primary));
  return {
    id: String(profile.id),
    login: profile.login,
    verifiedEmails: verified.map(({ email }) => email.toLowerCase()),
  };
}

class GithubStrategy extends OAuth2Strategy {
  /** Not `#private`: each run is an object that inherits from the strategy. */
  readonly apiUrl: string;

  constructor(settings: GithubSettings, keyring: Keyring) {
    super(
      {
        authorizationURL: `${settings.webUrl}/login/oauth/authorize`,
        tokenURL: `${settings.webUrl}/login/oauth/access_token`,
        clientID: settings.clientId,
        clientSecret: settings.clientSecret,
        callbackURL: settings.callbackUrl,
        scope: ['read:user', 'user:email'],
        pkce: true,
        store: new SealedState(keyring) as never,
      },
      (_accessToken: string, _refreshToken: string, identity: unknown, done: OAuth2Strategy.VerifyCallback) =>
        done(null, identity as Express.User),
    );
    this.apiUrl = settings.apiUrl;
    Object.assign(this._oauth2, {
      _request: (_method: string, url: string, given: object, body: string, _token: unknown, done: Done) =>
        void settle(post(url, given, body), done),
    });
  }

  override userProfile(accessToken: string, done: Done): void {
    void settle(readIdentity(this.apiUrl, accessToken), done);
  }
}

type Outcome = { redirect: string } | { identity: GithubIdentity } | { refused: unknown };

/** One run of the strategy, with the actions passport would give it. */
function run(strategy: OAuth2Strategy, attempt: Attempt): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const acting = Object.assign(Object.create(strategy) as OAuth2Strategy, {
      redirect: (url: string) => resolve({ redirect: url }),
      success: (identity: unknown) => resolve({ identity: identity as GithubIdentity }),
      fail: (why: unknown) => resolve({ refused: why }),
      error: reject,
    });
    acting.authenticate(attempt as never, {});
  });
}

/** GitHub could not be asked; anything else that goes wrong is a refusal (it tells most of them in answers with status 200). */
function isOutage(error: unknown): boolean {
  const inner = (error as { oauthError?: unknown }).oauthError ?? error;
  return (
    inner instanceof TypeError || (inner instanceof Error && /^Timeout|^Abort/.test(inner.name)) || isServerError(inner)
  );
}

const isServerError = (error: unknown): boolean => error instanceof Error && /answered 5\d\d/.test(error.message);

const refused = (cause: unknown) => new InkwellError('sign_in_failed', { cause });

export function createGithubSignIn(settings: GithubSettings, keyring: Keyring): GithubSignIn {
  const strategy = new GithubStrategy(settings, keyring);
  return {
    async begin() {
      const attempt: Attempt = { query: {}, cookie: undefined };
      const outcome = await run(strategy, attempt);
      if (!('redirect' in outcome) || attempt.cookie === undefined) throw new Error('the sign-in did not begin');
      return { url: outcome.redirect, cookie: attempt.cookie };
    },

    async finish(query, cookie) {
      if (!query.code && !query.error) throw refused(new Error('neither code nor error came back'));
      try {
        const outcome = await run(strategy, { query, cookie });
        if ('identity' in outcome) return outcome.identity;
        throw refused(new Error('GitHub or the person refused, or the state does not match'));
      } catch (error) {
        if (error instanceof InkwellError) throw error;
        throw isOutage(error) ? unavailable(error) : refused(error);
      }
    },
  };
}
