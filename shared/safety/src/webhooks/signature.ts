/**
 * Signatures of the Standard Webhooks specification (version 1.0.0, symmetric): HMAC-SHA-256 over `id.timestamp.body`. A tenant's secret is derived
 * from the server's, so none has to be kept, and no tenant's tells another's.
 */
import { createHmac } from 'node:crypto';

const prefix = 'whsec_';

/** A tenant's secret in the specification's form: `whsec_` and 32 bytes in base64. */
export function webhookSecretOf(serverSecret: string | Uint8Array, tenant: string): string {
  return prefix + createHmac('sha256', serverSecret).update(`inkwell webhooks\n${tenant}`).digest('base64');
}

/**
 * @param id stays the same for every try of one message: receivers know repeats by it
 * @param atMs Unix milliseconds of this try
 */
export function webhookHeaders(secret: string, id: string, atMs: number, body: string): Record<string, string> {
  const timestamp = Math.floor(atMs / 1000);
  const key = Buffer.from(secret.slice(prefix.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'user-agent': 'inkwell-webhooks',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
}
