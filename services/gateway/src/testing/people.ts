/** People for tests: registered and signed in over HTTP, as anybody would. */
import { expect } from 'vitest';
import type { Rig } from './rig.ts';

export interface Tokens {
  access_token: string;
  refresh_token: string;
  scope: string;
}

export const password = 'correct horse battery';
/** The same, as an older system kept it (cost 4). */
export const bcryptOfPassword = '$2b$04$rqtTS39YZeqpSl5jwT0qjePnVPt6RN0WIHxiaKf6nteDej2p26vni';

export async function registerPerson(rig: Rig, username: string): Promise<{ id: string; tenant: string }> {
  const response = await rig.request('/api/auth/register', { key: null, body: { username, password } });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; tenant: string };
}

export async function signIn(rig: Rig, username: string): Promise<Tokens> {
  const response = await rig.request('/api/auth/login', { key: null, body: { username, password } });
  expect(response.status).toBe(200);
  return (await response.json()) as Tokens;
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A request with an access token. */
export function withToken(rig: Rig, token: string, path: string, options: Parameters<Rig['request']>[1] = {}) {
  return rig.request(path, { ...options, key: null, headers: { ...bearer(token), ...options.headers } });
}
