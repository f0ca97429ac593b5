/**
 * Takes requests only under the names this server is known by, so that neither a poisoned link nor a name that somebody points at us is served.
 * Probes ask by address and are let through.
 */
import { InkwellError } from '@inkwell/contracts';
import type { EdgeConfig } from '../http/edge-config.ts';
import type { Gate } from './gate.ts';

const probes = /^\/api\/health\/(ping|liveness|readiness|startup)$/;

export function isProbe(path: string): boolean {
  return probes.test(path);
}

function isListed(host: string, listed: readonly string[]): boolean {
  return listed.some((one) =>
    one.startsWith('*.') ? host.endsWith(one.slice(1)) && host !== one.slice(2) : host === one,
  );
}

export function trustedHosts({ trustedHosts: listed }: EdgeConfig): Gate {
  return (request) => {
    if (listed.length === 0) return true;
    const host = (request.headers.host ?? '').replace(/:\d{0,5}$/, '').toLowerCase();
    if (isProbe(request.path) || isListed(host, listed)) return true;
    throw new InkwellError('invalid_header', {
      param: 'Host',
      message: 'Host: this server is not known by that name.',
    });
  };
}
