/** The compose file is taken by the real tool, and keeps what we promise of it: health checks, limits, nothing without its secret. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensureProgram } from '../../infra/services/ensure-program.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const secrets = {
  REDIS_PASSWORD: 'redis-canary',
  MONGO_PASSWORD: 'mongo-canary',
  INKWELL_KEY_SECRET: 'secret-canary',
  INKWELL_BOOTSTRAP_KEY: 'key-canary',
};

interface Service {
  image: string;
  healthcheck?: { test?: string[]; disable?: boolean };
  mem_limit?: string | number;
  ports?: unknown[];
  read_only?: boolean;
  networks: Record<string, unknown> | string[];
}

let tool: readonly string[];
let directory: string;
afterAll(() => rm(directory, { recursive: true }));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-compose-'));
  // So that a developer's own .env does not answer.
  await writeFile(join(directory, 'empty.env'), '');
  const plugin = await run('docker', ['compose', 'version']).then(
    () => true,
    () => false,
  );
  tool = plugin ? ['docker', 'compose'] : ['docker-compose'];
  if (!plugin)
    await ensureProgram({
      name: 'docker-compose',
      versionFlag: '--version',
      aptPackage: 'docker-compose',
      instead: 'Install Docker with its compose plugin; no engine is needed.',
    });
}, 300_000);

function config(env: Record<string, string>): Promise<{ stdout: string }> {
  const [command = '', ...first] = tool;
  const { PATH = '', HOME = '' } = process.env;
  return run(command, [...first, '--env-file', join(directory, 'empty.env'), 'config'], {
    cwd: root,
    env: { PATH, HOME, ...env },
  });
}

it('is valid, and every service has a health check and a memory limit', async () => {
  const { stdout } = await config(secrets);
  const { services } = parse(stdout) as { services: Record<string, Service> };
  expect(Object.keys(services).sort()).toEqual(['gateway', 'kafka', 'migrate', 'mongo', 'recorder', 'redis', 'worker']);
  for (const [name, service] of Object.entries(services)) {
    expect(service.mem_limit, `${name}: memory`).toBeTruthy();
    expect(service.healthcheck, `${name}: health`).toBeTruthy();
    if (name !== 'gateway') expect(service.ports ?? [], `${name} is not reachable from outside`).toEqual([]);
    if (service.image === 'inkwell:local') expect(service.read_only, name).toBe(true);
    else expect(service.image, name).toMatch(/:\d+\.\d+/);
  }
});

it.each(Object.keys(secrets))('says that %s is missing and starts nothing', async (name) => {
  const rest = Object.fromEntries(Object.entries(secrets).filter(([one]) => one !== name));
  await expect(config(rest)).rejects.toThrow(name);
});
