/**
 * A real OAuth server on a free port that behaves as GitHub documents: authorization page (here the person agrees at once), code exchange with PKCE
 * (S256), errors in answers with status 200, codes that work once, `/user` and `/user/emails` for a bearer token.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface GithubPerson {
  id: number;
  login: string;
  emails: { email: string; verified: boolean; primary: boolean }[];
}

interface Grant {
  person: GithubPerson;
  challenge: string;
  redirectUri: string;
}

export interface GithubServer {
  url: string;
  /** Who is signed in at GitHub in that browser; null refuses. */
  person: GithubPerson | null;
  /** Answers every API call with this status while set. */
  failWith: number | null;
  close(): Promise<void>;
}

export const githubApp = { clientId: 'app-1', clientSecret: 'github-app-secret' };

const json = (status: number, body: unknown) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const redirect = (location: string) => ({ status: 302, headers: { location }, body: '' });
/** As GitHub does: what is wrong with a code is told with status 200. */
const codeError = (error: string) =>
  json(200, { error, error_description: 'told as GitHub tells it', error_uri: 'https://docs.github.com' });

export async function startGithub(): Promise<GithubServer> {
  const codes = new Map<string, Grant>();
  const accessTokens = new Map<string, GithubPerson>();
  const state: Pick<GithubServer, 'person' | 'failWith'> = { person: null, failWith: null };

  function authorize(query: URLSearchParams) {
    const redirectUri = query.get('redirect_uri') ?? '';
    if (query.get('client_id') !== githubApp.clientId) return json(404, {});
    const back = new URL(redirectUri);
    back.searchParams.set('state', query.get('state') ?? '');
    if (!state.person) {
      back.searchParams.set('error', 'access_denied');
      back.searchParams.set('error_description', 'The user has denied your application access.');
      return redirect(back.href);
    }
    if (query.get('code_challenge_method') !== 'S256' || !query.get('code_challenge')) return json(422, {});
    const code = randomBytes(10).toString('hex');
    codes.set(code, { person: state.person, challenge: query.get('code_challenge')!, redirectUri });
    back.searchParams.set('code', code);
    return redirect(back.href);
  }

  function exchange(form: URLSearchParams) {
    const { clientId, clientSecret } = githubApp;
    if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret)
      return codeError('incorrect_client_credentials');
    const code = form.get('code') ?? '';
    const grant = codes.get(code);
    codes.delete(code);
    if (!grant) return codeError('bad_verification_code');
    if (form.get('redirect_uri') !== grant.redirectUri) return codeError('redirect_uri_mismatch');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (challenge !== grant.challenge) return codeError('bad_verification_code');
    const token = `gho_${randomBytes(18).toString('hex')}`;
    accessTokens.set(token, grant.person);
    return json(200, { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' });
  }

  function api(path: string, authorization: string) {
    if (state.failWith) return json(state.failWith, { message: 'GitHub is unwell' });
    const person = accessTokens.get(authorization.replace(/^Bearer /, ''));
    if (!person) return json(401, { message: 'Bad credentials' });
    if (path === '/user') return json(200, { id: person.id, login: person.login, name: null });
    return json(
      200,
      person.emails.map((email) => ({ ...email, visibility: null })),
    );
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://github.test');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const answer =
      url.pathname === '/login/oauth/authorize'
        ? authorize(url.searchParams)
        : url.pathname === '/login/oauth/access_token' && request.method === 'POST'
          ? exchange(form)
          : url.pathname === '/user' || url.pathname === '/user/emails'
            ? api(url.pathname, request.headers.authorization ?? '')
            : json(404, { message: 'Not Found' });
    response.writeHead(answer.status, answer.headers as Record<string, string>).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}
