/**
 * WebGPU for tests: Dawn, TensorFlow.js's backend for it and SwiftShader, a Vulkan that computes on the processor, so that no graphics card is needed. Kept apart from
 * what `npm run install:webgpu` installs. Where there is no SwiftShader (it is for Linux on x86-64) the machine's own card computes.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const INSTALLER = fileURLToPath(new URL('../../../../infra/webgpu/install.mjs', import.meta.url));
const CACHE = fileURLToPath(new URL('../../../../.services/', import.meta.url));
/** Fetching 190 MB on a slow line. */
export const INSTALL_TIMEOUT_MS = 300_000;

const hasSoftware = process.platform === 'linux' && process.arch === 'x64';

/** Path of the packages, installed once for each state of their installer. From then on this process computes on SwiftShader. */
export async function softwareWebgpuPath(): Promise<string> {
  const version = createHash('sha256').update(readFileSync(INSTALLER)).digest('hex').slice(0, 16);
  const path = join(CACHE, `webgpu-${version}`);
  if (!existsSync(path)) {
    await mkdir(CACHE, { recursive: true });
    const unfinished = await mkdtemp(join(CACHE, 'webgpu-unfinished-'));
    const options = [...(hasSoftware ? ['--software'] : []), '--into', unfinished];
    try {
      await promisify(execFile)(process.execPath, [INSTALLER, ...options], { timeout: INSTALL_TIMEOUT_MS });
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      // Another test may have been faster.
      if (!existsSync(path)) throw error;
    }
  }
  if (hasSoftware) process.env.VK_ICD_FILENAMES = join(path, 'swiftshader/vk_swiftshader_icd.json');
  return path;
}
