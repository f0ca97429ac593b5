/** A request of a key that demands signatures (RFC 9421): its signature is checked, and its nonce taken once. */
import type { IncomingMessage } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import { checkSignature, maxSkewSeconds, signingSecret } from '@inkwell/identity';
import type { GatewayContext } from '../context.ts';
import type { Caller } from './caller.ts';

const text = (header: string | string[] | undefined): string | undefined =>
  header === undefined ? undefined : String(header);

/** @throws InkwellError `invalid_signature`, saying what is wrong with it */
export async function checkRequestSignature(
  { identity, ports, clock }: GatewayContext,
  { keyId, signedBy }: Caller,
  request: IncomingMessage & { originalUrl: string },
  body: Uint8Array | undefined,
): Promise<void> {
  if (signedBy === null) return;
  const { headers } = request;
  const now = clock.now();
  const message = {
    method: request.method ?? '',
    target: request.originalUrl,
    headers: {
      signature: text(headers.signature),
      signatureInput: text(headers['signature-input']),
      contentDigest: text(headers['content-digest']),
    },
    body,
  };
  const check = checkSignature(message, keyId, signingSecret(identity.keySecrets, keyId, signedBy), now / 1000);
  if (!check.valid) throw refused(check.problem);
  // Until its `created` is too old to be accepted again.
  const until = (check.createdSeconds + maxSkewSeconds + 1) * 1000;
  if (!(await ports.attemptStore.useOnce(`nonce:${keyId}:${check.nonce}`, now, until))) {
    throw refused('the nonce was used before');
  }
}

function refused(problem: string): InkwellError {
  return new InkwellError('invalid_signature', { message: `The signature is not valid: ${problem}.` });
}
