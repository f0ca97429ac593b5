/** How to start a process that computes a model and should be small. */
import { join } from 'node:path';

/** Flags of Node: garbage of loading can be collected when that is done (`loadModel` does), and young objects, of which a step makes few, get 4 MB three times over instead of 16. */
export const modelProcessFlags = ['--expose-gc', '--max-semi-space-size=4'] as const;

/**
 * Its environment: modules compiled, and their types erased, once for all starts (Node's compile cache, written when the process ends or calls
 * `flushCompileCache`). What erases types is then not even loaded, which is 30 MB. A setting of the user's own wins.
 * @param cacheDirectory where quantised weights are kept, too; left out, nothing is kept
 */
export function modelProcessEnvironment(cacheDirectory: string | undefined): NodeJS.ProcessEnv {
  if (cacheDirectory === undefined) return process.env;
  return { NODE_COMPILE_CACHE: join(cacheDirectory, 'modules'), ...process.env };
}
