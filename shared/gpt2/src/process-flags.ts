/** How to start a process that computes a model and should be small. */
import { join } from 'node:path';

/** Flags of Node: garbage of loading can be collected when that is done (`loadModel` does), and young objects, of which a step makes few, get 4 MB three times over instead of 16. */
export const modelProcessFlags = ['--expose-gc', '--max-semi-space-size=4'] as const;

/**
 * Its environment. Modules are compiled, and their types erased, once for all starts (Node's compile cache, written when a thread ends or calls
 * `flushCompileCache`): what erases types is then not even loaded, which is 30 MB in the main thread and some in every other. glibc keeps two heaps
 * instead of one for almost every thread. A setting of the user's own wins.
 * @param cacheDirectory where quantised weights are kept, too; left out, nothing is kept
 */
export function modelProcessEnvironment(cacheDirectory: string | undefined): NodeJS.ProcessEnv {
  return {
    MALLOC_ARENA_MAX: '2',
    ...(cacheDirectory !== undefined && { NODE_COMPILE_CACHE: join(cacheDirectory, 'modules') }),
    ...process.env,
  };
}
