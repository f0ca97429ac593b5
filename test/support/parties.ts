/** People and machines of different tenants, made over HTTP as anybody's would be, to act against each other in tests. */
import { expect } from 'vitest';
import type { Edition } from './edition.ts';

const password = 'correct horse battery';

export interface Party {
  name: string;
  tenant: string;
  /** What it sends with every request. */
  headers: Readonly<Record<string, string>>;
}

export interface Person extends Party {
  id: string;
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

async function made<Body>(response: Response, status: number): Promise<Body> {
  expect(response.status, await response.clone().text()).toBe(status);
  return (await response.json()) as Body;
}

export async function signIn(inkwell: Edition, username: string): Promise<string> {
  const answer = await inkwell.request('/api/auth/login', { body: { username, password } });
  return (await made<{ access_token: string }>(answer, 200)).access_token;
}

/** Somebody who registered, was given the role, and signed in. */
export async function person(inkwell: Edition, name: string, role: 'user' | 'operator' = 'user'): Promise<Person> {
  const answer = await inkwell.request('/api/auth/register', { body: { username: name, password } });
  const { id, tenant } = await made<{ id: string; tenant: string }>(answer, 201);
  const change = await inkwell.request(`/api/admin/users/${id}`, { method: 'PATCH', body: { role } });
  expect(change.status).toBe(200);
  return { name, id, tenant, headers: bearer(await signIn(inkwell, name)) };
}

/** A key that may do all its role may, of a tenant of its own. */
export async function machine(inkwell: Edition, name: string, role: 'user' | 'operator' = 'user'): Promise<Party> {
  const all = ['generate', 'jobs', 'models', 'keys', 'account', 'usage', ...(role === 'user' ? [] : ['admin'])];
  const body = { name, tenant: name, role, scopes: all };
  const { key } = await made<{ key: string }>(await inkwell.request('/api/keys', { body }), 201);
  return { name, tenant: name, headers: bearer(key) };
}
