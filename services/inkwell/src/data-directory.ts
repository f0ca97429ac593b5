/**
 * The data directory's private files: the server secret that keys the hashes of API keys, and the first API key. Both are made once, with
 * enough random bits, readable by their owner alone; a file others may read stops the start with the command that mends it.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Creates the directory (mode 700) if it is not there. */
export function openDataDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}

function readPrivateFile(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new Error(`${path} can be read by other users. Close it and start again:\n  chmod 600 '${path}'`);
  return readFileSync(path, 'utf8').trim();
}

function writePrivateFile(path: string, text: string): void {
  writeFileSync(path, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true });
  chmodSync(path, 0o600);
}

/** 256 random bits in base64url, made on the first start. Losing the file makes every API key invalid. */
export function loadServerSecret(directory: string): string {
  const path = join(directory, 'secret');
  const found = readPrivateFile(path);
  if (found !== undefined) {
    if (found.length < 43)
      throw new Error(`${path} is too short to be the secret this server made. Restore it from your backup.`);
    return found;
  }
  const secret = randomBytes(32).toString('base64url');
  writePrivateFile(path, secret);
  return secret;
}

export const firstKeyFile = (directory: string): string => join(directory, 'api-key');

/** The key a former start made, if it still lies there. */
export function readFirstKey(directory: string): string | undefined {
  return readPrivateFile(firstKeyFile(directory));
}

export function writeFirstKey(directory: string, key: string): void {
  writePrivateFile(firstKeyFile(directory), key);
}
