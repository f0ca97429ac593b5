/**
 * `npm test`: the static checks first (they are cheap and cached), then every test. Arguments go to the test runner, and then only the tests
 * run: `npm test -- shared/engine`.
 */
import { spawnSync } from 'node:child_process';

function tool(name, args) {
  const { status, error } = spawnSync(name, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (error) throw error;
  return status ?? 1;
}

const args = process.argv.slice(2);
if (args.length === 0) {
  const checks = tool('turbo', [
    'run',
    'lint',
    'typecheck',
    'boundaries',
    'unused',
    '--output-logs=errors-only',
    '--ui=stream',
    '--no-update-notifier',
  ]);
  if (checks !== 0) {
    process.stdout.write(
      '\nA static check failed; its output is above. `npm run format` mends formatting.\n0 passed, 1 failed, 0 skipped\n',
    );
    process.exit(checks);
  }
}
process.exit(tool('vitest', ['run', ...args]));
