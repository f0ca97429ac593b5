/** The native add-on for tests: built from the sources that lie here, with a compiler that is installed if there is none. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureProgram, type WantedProgram } from '../../../../infra/services/ensure-program.ts';

const NATIVE = new URL('../../native/', import.meta.url);
const CACHE = new URL('../../../../.services/native/', import.meta.url);
/** Compiling on two busy cores. */
export const BUILD_TIMEOUT_MS = 300_000;

/** A compiler for this processor, and Debian's for Linux on 64-bit Arm from another one. */
function compilerFor(arch: string): WantedProgram {
  const [name, aptPackage] =
    arch === process.arch ? ['g++', 'g++'] : ['aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'];
  return {
    name: (arch === process.arch && process.env.CXX) || name,
    versionFlag: '--version',
    aptPackage,
    instead: `Install ${name} 12 or newer, or set CXX to a C++20 compiler.`,
  };
}

/** Path of the add-on; built once for each state of the sources. Kept apart from what `npm run build:native` builds, which `auto` would pick. */
export async function nativeAddonPath(arch: 'arm64' | typeof process.arch = process.arch): Promise<string> {
  const { sourceHash } = (await import(new URL('source-hash.mjs', NATIVE).href)) as { sourceHash(): string };
  const path = fileURLToPath(new URL(`inkwell-${arch}-${sourceHash().slice(0, 16)}.node`, CACHE));
  if (existsSync(path)) return path;
  const compiler = compilerFor(arch);
  await ensureProgram(compiler);
  const script = fileURLToPath(new URL('build.mjs', NATIVE));
  await promisify(execFile)(process.execPath, [script, '--arch', arch, '--out', path], {
    timeout: BUILD_TIMEOUT_MS,
    env: { ...process.env, CXX: compiler.name },
  });
  return path;
}
