/** One caller of each role in a tenant of their own, with a key and a sign-in. */
import { scopesOfRole } from '@inkwell/contracts';
import type { InkwellProcess } from '../support/inkwell-process.ts';
import type { FuzzCaller } from './fuzz-openapi.ts';

export const fuzzRoles = ['user', 'operator', 'superuser'] as const;
export type FuzzRole = (typeof fuzzRoles)[number];

const password = 'correct horse battery';

/** Limits off, and an engine that answers at once: what is tested is the boundary. */
export const fuzzSettings = {
  INKWELL_BACKEND: 'null',
  INKWELL_NULL_PACE_MS: '0',
  INKWELL_LIMIT_KEY_PER_MINUTE: 'off',
  INKWELL_LIMIT_USER_PER_MINUTE: 'off',
  INKWELL_LIMIT_READS_PER_MINUTE: 'off',
  // Our own sign-ins come from another address than the fuzzer's, which fail and are slowed down.
  INKWELL_TRUSTED_PROXIES: '127.0.0.1',
};

async function ask(
  inkwell: InkwellProcess,
  path: string,
  body: object,
  method = 'POST',
): Promise<{ id: string; key: string }> {
  const response = await inkwell.request(path, { method, body });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; key: string };
}

export async function makeCaller(inkwell: InkwellProcess, role: FuzzRole): Promise<FuzzCaller & { ids: string[] }> {
  const username = `fuzz-${role}`;
  const person = await ask(inkwell, '/api/auth/register', { username, password });
  await ask(inkwell, `/api/admin/users/${person.id}`, { role }, 'PATCH');
  const key = await ask(inkwell, '/api/keys', { name: username, tenant: username, role, scopes: scopesOfRole(role) });
  return { key: key.key, username, password, ids: [person.id, key.id] };
}
