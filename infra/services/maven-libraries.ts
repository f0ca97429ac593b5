/**
 * Java libraries for the servers of this folder, fetched once by Maven into `.services/` (not in git) and shared by all runs. Processes that
 * come at the same time each fetch into a folder of their own; the first to finish puts its folder in place.
 */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureProgram } from './ensure-program.ts';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../.services/', import.meta.url));

/** The folder with all jars the pom names. `instead` tells a person what else they can do when this fails. */
export async function mavenLibraries(pom: string, instead: string): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 16);
  const folder = join(cache, version);
  if (await exists(folder)) return folder;
  const java = `Install a JDK (17 or newer) and Maven. ${instead}`;
  await ensureProgram({ name: 'java', versionFlag: '-version', aptPackage: 'default-jdk-headless', instead: java });
  await ensureProgram({ name: 'mvn', versionFlag: '-version', aptPackage: 'maven', instead: java });
  process.stderr.write(`Fetching Java libraries named in ${pom} into .services/ (once)\n`);
  const own = join(cache, `fetching-${randomUUID()}`);
  await mkdir(own, { recursive: true });
  try {
    const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
    await run('mvn', [...args, `-DoutputDirectory=${own}`], { timeout: 300_000 });
    await rename(own, folder).catch(async (error) => {
      if (!(await exists(folder))) throw error;
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Maven could not fetch the libraries in ${pom}. ${instead}\n${reason}`);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
