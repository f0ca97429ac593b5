/**
 * Takes requests only under the names this server is known by, so that neither a poisoned link nor a name that somebody points at us is served.
 * Probes ask by address and are let through.
 */
import { InkwellError } from '@inkwell/contracts';
import type { RequestHandler } from 'express';
import type { EdgeConfig } from '../http/edge-config.ts';

const probes = /^\/api\/health\/(ping|liveness|readiness|startup)$/;

export function isProbe(path: string): boolean {
  return probes.test(path);
}

function isListed(host: string, listed: readonly string[]): boolean {
  return listed.some((one) =>
    one.startsWith('*.') ? host.endsWith(one.slice(1)) && host !== one.slice(2) : host === one,
  );
}

export function trustedHosts({ trustedHosts: listed }: EdgeConfig): RequestHandler {
  return (request, _response, next) => {
    const host = (request.headers.host ?? '').replace(/:\d{0,5}$/, '').toLowerCase();
    if (listed.length === 0 || isProbe(request.path) || isListed(host, listed)) return next();
    throw new InkwellError('invalid_header', {
      param: 'Host',
      message: 'Host: this server is not known by that name.',
    });
  };
}
