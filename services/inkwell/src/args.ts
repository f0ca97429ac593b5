/** The command line of `inkwell`: what may be said, and the help text. */
import { parseArgs } from 'node:util';

export const usage = `Usage: inkwell <command>

Commands
  serve        Start the embedded edition: gateway, durable queue and engine in one process tree.
    --json     Write one JSON object per line to stdout instead of text for people.
  help         Show this text.
  version      Show the version.

Settings are environment variables; .env.example lists them all with their defaults.
`;

export type Command = { name: 'serve'; json: boolean } | { name: 'help' } | { name: 'version' };

/** Throws an Error with a message for people when the arguments make no sense. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  });
  if (values.help) return { name: 'help' };
  if (values.version) return { name: 'version' };
  const [name = 'help', ...rest] = positionals;
  if (rest.length > 0) throw new Error(`Unexpected argument: ${rest[0]}`);
  if (name === 'serve') return { name, json: values.json ?? false };
  if (name === 'help' || name === 'version') return { name };
  throw new Error(`Unknown command: ${name}`);
}
