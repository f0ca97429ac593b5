/** `npm run fuzz -- [examples] [seed]`: what the test does, for longer. 100 examples per operation and phase when no number is given. */
import { InkwellProcess } from '../support/inkwell-process.ts';
import { fuzzRoles, fuzzSettings, makeCaller } from './callers.ts';
import { fuzzOpenApi } from './fuzz-openapi.ts';

const [examples = 100, seed = Math.floor(Math.random() * 2 ** 31)] = process.argv.slice(2).map(Number);
const inkwell = new InkwellProcess({ env: fuzzSettings });
try {
  await inkwell.start();
  for (const role of fuzzRoles) {
    process.stdout.write(`As ${role}, ${examples} examples, seed ${seed}\n`);
    const caller = await makeCaller(inkwell, role);
    const options = { url: inkwell.url, caller, protectedIds: caller.ids, seed, examples };
    const { clean, report } = await fuzzOpenApi(options);
    process.stdout.write(report);
    if (!clean) process.exitCode = 1;
  }
} finally {
  await inkwell.dispose();
}
