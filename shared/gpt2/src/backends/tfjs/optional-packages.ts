/**
 * Packages that are no dependencies of ours, because most machines have no use for them or cannot install them: scripts put them into folders of their own under the
 * repository's root, which git ignores.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError } from '../../errors.ts';

export interface OptionalPackages {
  /** The backend that needs them. */
  readonly backend: 'tfjs-node' | 'tfjs-node-gpu' | 'webgpu';
  readonly folder: string;
  /** A file that is there once they are complete. */
  readonly proof: string;
  /** The command that gets them. */
  readonly command: string;
}

export const TFJS_NODE: OptionalPackages = {
  backend: 'tfjs-node',
  folder: '.inkwell-tfjs-node',
  proof: 'node_modules/@tensorflow/tfjs-node/lib/napi-v8/tfjs_binding.node',
  command: 'npm run build:tfjs-node',
};

export const TFJS_NODE_GPU: OptionalPackages = {
  backend: 'tfjs-node-gpu',
  folder: '.inkwell-tfjs-node-gpu',
  proof: 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node',
  command: 'npm run build:tfjs-node -- --gpu',
};

export const WEBGPU: OptionalPackages = {
  backend: 'webgpu',
  folder: '.inkwell-webgpu',
  proof: 'node_modules/@tensorflow/tfjs-backend-webgpu/package.json',
  command: 'npm run install:webgpu',
};

function placeOf({ folder }: OptionalPackages): string {
  return fileURLToPath(new URL(`../../../../../${folder}/`, import.meta.url));
}

export function isInstalled(packages: OptionalPackages): boolean {
  return existsSync(`${placeOf(packages)}${packages.proof}`);
}

/**
 * Requires from their folder.
 * @param place where the script put them; left out, where it puts them by itself
 * @throws ModelError with the command that gets them, where they are not
 */
export function requireOptional(packages: OptionalPackages, place = placeOf(packages)): NodeJS.Require {
  if (!existsSync(join(place, packages.proof))) {
    throw new ModelError(`backend ${packages.backend} is not installed on this machine: run ${packages.command}`);
  }
  return createRequire(join(place, 'package.json'));
}
