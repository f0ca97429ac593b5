/**
 * One POST to a stranger's server that cannot be turned against ours. The name is resolved once, all its addresses are checked, and the connection
 * is made to a checked address, so a name that resolves differently a moment later gains nothing. Redirects are not followed; the answer's
 * body is not read; the whole call has a deadline.
 */
import { promises as dns, type LookupAddress } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.ts';
import { hostOf, isAllowedHost, parseWebhookUrl, type WebhookRules } from './webhook-target.ts';

export interface GuardedPost {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  timeoutMs: number;
  signal: AbortSignal;
}

export type PostResult =
  | { outcome: 'answered'; status: number }
  /** The target may not be called; nothing was connected. */
  | { outcome: 'refused'; reason: string }
  | { outcome: 'failed'; reason: string };

export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

const resolveByDns: Resolve = (hostname) => dns.lookup(hostname, { all: true, verbatim: true });

async function addressesOf(host: string, resolve: Resolve): Promise<readonly LookupAddress[]> {
  const family = isIP(host);
  return family === 0 ? resolve(host) : [{ address: host, family }];
}

/** Rejects when the signal aborts, also if the work never ends. */
async function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Sends to one address; resolves with the answer's status as soon as that is known. */
function send(url: URL, address: string, { headers, body }: GuardedPost, signal: AbortSignal): Promise<number> {
  const host = hostOf(url);
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(
      {
        method: 'POST',
        host: address,
        port: url.port || (secure ? 443 : 80),
        path: `${url.pathname}${url.search}`,
        headers: { ...headers, host: url.host, 'content-length': Buffer.byteLength(body) },
        ...(secure && isIP(host) === 0 && { servername: host }),
        agent: false,
        signal,
      },
      (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Never rejects: whatever happens is a result. */
export async function guardedPost(
  post: GuardedPost,
  rules: WebhookRules,
  resolve: Resolve = resolveByDns,
): Promise<PostResult> {
  const url = parseWebhookUrl(post.url, rules);
  if ('refusal' in url) return { outcome: 'refused', reason: url.refusal };
  const signal = AbortSignal.any([post.signal, AbortSignal.timeout(post.timeoutMs)]);
  try {
    const addresses = await until(signal, addressesOf(hostOf(url), resolve));
    const [first] = addresses;
    if (first === undefined) return { outcome: 'failed', reason: 'the host has no address' };
    if (!isAllowedHost(url, rules) && !addresses.every(({ address }) => isPublicAddress(address))) {
      return { outcome: 'refused', reason: 'must not lead to a private address' };
    }
    return { outcome: 'answered', status: await until(signal, send(url, first.address, post, signal)) };
  } catch (error) {
    return { outcome: 'failed', reason: messageOf(error) };
  }
}
