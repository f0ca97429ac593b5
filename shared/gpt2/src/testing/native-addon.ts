/** The native add-on for tests: built from the sources that lie here, with a compiler that is installed if there is none. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureProgram } from '../../../../infra/services/ensure-program.ts';

const NATIVE = new URL('../../native/', import.meta.url);
const CACHE = new URL('../../../../.services/native/', import.meta.url);
/** Compiling on two busy cores. */
export const BUILD_TIMEOUT_MS = 300_000;

/** Path of the add-on; built once for each state of the sources. Kept apart from what `npm run build:native` builds, which `auto` would pick. */
export async function nativeAddonPath(): Promise<string> {
  const { sourceHash } = (await import(new URL('source-hash.mjs', NATIVE).href)) as { sourceHash(): string };
  const path = fileURLToPath(new URL(`inkwell-${process.arch}-${sourceHash().slice(0, 16)}.node`, CACHE));
  if (existsSync(path)) return path;
  await ensureProgram({
    name: process.env.CXX ?? 'g++',
    versionFlag: '--version',
    aptPackage: 'g++',
    instead: 'Install g++ 12 or newer, or set CXX to a C++20 compiler.',
  });
  const script = fileURLToPath(new URL('build.mjs', NATIVE));
  await promisify(execFile)(process.execPath, [script, path], { timeout: BUILD_TIMEOUT_MS });
  return path;
}
