import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDirectory } from './directory-lock.ts';
import { openEmbeddedStore } from './index.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const clock = { now: () => 0 };
const openerPath = new URL('./testing/open-and-wait.ts', import.meta.url).pathname;

async function openInChild(directory: string) {
  const child = spawn(process.execPath, [openerPath, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return { child, said: String(line).trim() };
}

it('refuses a second opener in the same process, naming the directory, and lets it in after close', async () => {
  const directory = await bench.directory();
  const store = await openEmbeddedStore({ directory, clock });
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow(`The data directory ${directory} is in use`);
  await store.close();
  bench.closeLater(await openEmbeddedStore({ directory, clock }));
});

it('refuses the same directory under another name', async () => {
  const directory = await bench.directory();
  const other = join(await bench.directory(), 'link');
  await symlink(directory, other);
  const lock = lockDirectory(directory);
  expect(() => lockDirectory(other)).toThrow('is in use');
  lock.release();
  lockDirectory(other).release();
});

it('refuses another process, and is free the moment its owner was killed', async () => {
  const directory = await bench.directory();
  const owner = await openInChild(directory);
  expect(owner.said).toBe('open');
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow(`The data directory ${directory} is in use`);
  const second = await openInChild(directory);
  expect(second.said).toContain(`The data directory ${directory} is in use`);
  second.child.kill('SIGKILL');
  owner.child.kill('SIGKILL');
  await once(owner.child, 'exit');
  bench.closeLater(await openEmbeddedStore({ directory, clock }));
});

it('creates a directory that is not there, for its owner alone', async () => {
  const directory = join(await bench.directory(), 'a', 'b');
  bench.closeLater(await openEmbeddedStore({ directory, clock }));
});

it('says so when the directory cannot be one', async () => {
  const file = join(await bench.directory(), 'file');
  await writeFile(file, 'not a directory');
  await expect(openEmbeddedStore({ directory: file, clock })).rejects.toThrow(
    `The data directory ${file} cannot be used`,
  );
});
