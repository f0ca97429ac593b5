import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { firstKeyFile, loadServerSecret, openDataDirectory, readFirstKey, writeFirstKey } from './data-directory.ts';

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'inkwell-data-')), 'data');
  openDataDirectory(directory);
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

it('makes a strong secret once and keeps it', () => {
  const secret = loadServerSecret(directory);
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  expect(loadServerSecret(directory)).toBe(secret);
});

it('lets nobody but the owner in', () => {
  loadServerSecret(directory);
  writeFirstKey(directory, 'ik_x');
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const file of ['secret', 'api-key']) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
});

it('refuses secrets that others may read, with the command that mends it', () => {
  loadServerSecret(directory);
  chmodSync(join(directory, 'secret'), 0o644);
  expect(() => loadServerSecret(directory)).toThrow(/chmod 600 '.*secret'/);
});

it('never replaces a first key that is there', () => {
  writeFirstKey(directory, 'ik_first');
  expect(() => writeFirstKey(directory, 'ik_second')).toThrow(/EEXIST/);
  expect(readFirstKey(directory)).toBe('ik_first');
  expect(firstKeyFile(directory)).toBe(join(directory, 'api-key'));
});
