/** Directories and stores for one test file: all closed and removed when the file is through. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export interface Scratch {
  /** A new, empty directory. */
  directory(): Promise<string>;
  /** Closes it at the end, whatever the test did. */
  closeLater<Closable extends { close(): unknown }>(opened: Closable): Closable;
}

export function scratch(): Scratch {
  const directories: string[] = [];
  const opened: { close(): unknown }[] = [];
  afterAll(async () => {
    try {
      for (const closable of opened) await closable.close();
    } finally {
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
    }
  });
  return {
    async directory() {
      const directory = await mkdtemp(join(tmpdir(), 'inkwell-'));
      directories.push(directory);
      return directory;
    },
    closeLater(closable) {
      opened.push(closable);
      return closable;
    },
  };
}
