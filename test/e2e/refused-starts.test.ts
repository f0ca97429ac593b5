/** A start that cannot succeed says why and what to do, exits with 1, and leaves nothing running or locked. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { startCommand } from '../support/edition.ts';

const main = fileURLToPath(new URL('../../services/inkwell/src/main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'inkwell-refused-'));
afterAll(() => rmSync(directory, { recursive: true }));

function start(env: Record<string, string>): { status: number | null; stderr: string } {
  const all = { ...process.env, PORT: '0', INKWELL_BACKEND: 'null', INKWELL_DATA_DIR: join(directory, 'data'), ...env };
  const { error, status, stderr } = spawnSync(process.execPath, [main, ...startCommand], {
    env: all,
    encoding: 'utf8',
    timeout: 120_000,
  });
  expect(error, `it did not end by itself:\n${stderr}`).toBeUndefined();
  return { status, stderr };
}

it('names every wrong variable', () => {
  const { status, stderr } = start({ PORT: 'eighty', INKWELL_BOOTSTRAP_KEY: 'short' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/PORT: must be a whole number/);
  expect(stderr).toMatch(/INKWELL_BOOTSTRAP_KEY: must have at least 32 characters/);
  expect(stderr).not.toContain('short');
});

it('says that the port is taken', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { status, stderr } = start({ PORT: String(port) });
  server.close();
  expect(status).toBe(1);
  expect(stderr).toContain(`Port ${port} is taken`);
});

it('says which model file it misses', () => {
  const { status, stderr } = start({ INKWELL_MODEL_DIR: join(directory, 'no-model') });
  expect(status).toBe(1);
  expect(stderr).toMatch(/no-model.*config\.json/s);
});

it('says which tensor a truncated model file misses', () => {
  const model = join(directory, 'truncated');
  cpSync(fileURLToPath(new URL('../../shared/gpt2/bundled/inkwell-small', import.meta.url)), model, {
    recursive: true,
  });
  truncateSync(join(model, 'model.safetensors'), 1_000_000);
  const { status, stderr } = start({ INKWELL_MODEL_DIR: model, INKWELL_BACKEND: 'wasm' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/The model cannot be loaded\. safetensors: tensor \S+: the file is truncated/);
});
