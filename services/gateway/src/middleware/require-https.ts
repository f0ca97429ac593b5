/**
 * Plain HTTP where HTTPS is required: a page is sent on to its secure address, anything that may have carried a body or key is refused. Whether a
 * request came securely is known from its connection, or from a proxy we were told to trust. Probes come from inside and are let through.
 */
import { InkwellError } from '@inkwell/contracts';
import { addressMatcher, type EdgeConfig } from '../http/edge-config.ts';
import type { Gate } from './gate.ts';
import { isProbe } from './trusted-hosts.ts';

/** RFC 6797, section 6.1: one year. */
const transportSecurity = 'max-age=31536000';
const hostForm = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const credentials = ['authorization', 'x-api-key', 'cookie'];

export function requireHttps({ requireHttps: required, trustedProxies }: EdgeConfig): Gate {
  const isTrusted = addressMatcher(trustedProxies);
  return (request, response) => {
    if (!required || isProbe(request.path)) return true;
    const { headers, method, socket } = request;
    const forwarded = isTrusted(socket.remoteAddress) ? headers['x-forwarded-proto'] : undefined;
    if ('encrypted' in socket || String(forwarded).split(',').at(-1)?.trim() === 'https') {
      response.setHeader('strict-transport-security', transportSecurity);
      return true;
    }
    const readOnly = method === 'GET' || method === 'HEAD';
    const host = headers.host ?? '';
    if (!readOnly || credentials.some((name) => headers[name] !== undefined) || !hostForm.test(host)) {
      throw new InkwellError('https_required');
    }
    response.writeHead(308, { location: `https://${host}${request.originalUrl}` }).end();
    return false;
  };
}
