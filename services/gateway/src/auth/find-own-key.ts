/** A key the caller may manage: of their own tenant, or any for a superuser. Another tenant's key doesn't exist. */
import { type ApiKeyRecord, InkwellError } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import type { Caller } from './caller.ts';

export const noSuchKey = () =>
  new InkwellError('not_found', { message: 'There is no such key, or it was revoked before.' });

/** @throws InkwellError `not_found` */
export async function findOwnKey({ ports }: GatewayContext, caller: Caller, id: string): Promise<ApiKeyRecord> {
  const record = await ports.keyStore.get(id);
  if (!record || (record.tenant !== caller.tenant && caller.role !== 'superuser')) throw noSuchKey();
  return record;
}
