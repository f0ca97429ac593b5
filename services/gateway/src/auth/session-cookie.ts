/** The console's cookie. */
import type { IncomingMessage } from 'node:http';
import type { GatewayConfig } from '../config.ts';
import { cookie, readCookie } from '../http/cookies.ts';

const name = 'inkwell_session';

export const usesTls = ({ publicUrl, requireHttps }: Pick<GatewayConfig, 'publicUrl' | 'requireHttps'>): boolean =>
  requireHttps || (publicUrl?.startsWith('https:') ?? false);

const nameFor = (config: GatewayConfig): string => (usesTls(config) ? `__Host-${name}` : name);

export function readSessionCookie(request: IncomingMessage, config: GatewayConfig): string | undefined {
  return readCookie(request, nameFor(config));
}

/** With an empty value the browser forgets it. */
export function sessionCookie(config: GatewayConfig, value: string): string {
  const maxAgeSeconds = value === '' ? 0 : config.browserSessionTtlMs / 1000;
  return cookie(nameFor(config), value, { maxAgeSeconds, path: '/', secure: usesTls(config), sameSite: 'Strict' });
}
