/** Entry of the `inkwell` command: reads the arguments, runs the command, turns any failure into one clear message and exit code 1. */
import { readFileSync } from 'node:fs';
import { parseCommand, usage } from './args.ts';
import { serve } from './serve.ts';

async function main(argv: readonly string[]): Promise<void> {
  const command = parseCommand(argv);
  if (command.name === 'help') process.stdout.write(usage);
  else if (command.name === 'version') process.stdout.write(`${readVersion()}\n`);
  else if (command.name === 'serve')
    await serve({ json: command.json, version: readVersion(), environment: process.env });
  else if (command.name === 'users create-superuser') {
    const { createSuperuser } = await import('./users/create-superuser.ts');
    await createSuperuser(command, process.env);
  } else {
    const { runClusterCommand } = await import('./cluster/command.ts');
    await runClusterCommand(command, process.env);
  }
}

function readVersion(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`inkwell: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
