/** The command line of `inkwell`: what may be said, and the help text. */
import { parseArgs } from 'node:util';

/** Most gateways or workers of one cluster command. */
export const mostProcesses = 64;

export const usage = `Usage: inkwell <command>

Commands
  serve        Start the embedded edition: gateway, durable queue and engine in one process tree.
    --json     Write one JSON object per line to stdout instead of text for people.
  cluster      Start the cluster edition on this machine: gateways, workers and a recorder as processes of their own, over the servers
               named by KAFKA_BROKERS, REDIS_URL and MONGO_URL, or over servers of its own.
    --gateways N   How many gateways, on PORT, PORT + 1, … (default 1).
    --workers N    How many workers (default 1).
    --json
  cluster status               What runs, and how the workers are.
  cluster scale workers=N gateways=N
                               Start or drain and stop processes until there are N. Either may be left out.
  cluster migrate              Create what is missing in Kafka. The cluster command does it by itself; run it once before you start
                               the processes in another way.
  cluster drain worker=ID      Let a worker finish what runs and take nothing new.
  users create-superuser --username NAME [--email ADDRESS]
               Make the account of a superuser. The password is asked for, or read from stdin. While the embedded edition runs, stop
               it first; with MONGO_URL the account is made in that cluster.
  help         Show this text.
  version      Show the version.

Settings are environment variables; .env.example lists them all with their defaults.
`;

export type Command =
  | { name: 'serve'; json: boolean }
  | { name: 'cluster'; json: boolean; gateways: number; workers: number }
  | { name: 'cluster status'; json: boolean }
  | { name: 'cluster scale'; json: boolean; size: { gateways?: number; workers?: number } }
  | { name: 'cluster drain'; json: boolean; worker: string }
  | { name: 'cluster migrate'; json: boolean }
  | { name: 'users create-superuser'; username: string; email: string | null }
  | { name: 'help' }
  | { name: 'version' };

/** Throws an Error with a message for people when the arguments make no sense. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      gateways: { type: 'string' },
      workers: { type: 'string' },
      username: { type: 'string' },
      email: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  });
  if (values.help) return { name: 'help' };
  if (values.version) return { name: 'version' };
  const [name = 'help', ...rest] = positionals;
  const { json } = values;
  if (name === 'users') return parseUsers(rest, values);
  if (name === 'cluster') return parseCluster(rest, json, values);
  if (values.gateways !== undefined || values.workers !== undefined)
    throw new Error(`${name} takes neither --gateways nor --workers`);
  nothingMore(rest);
  if (name === 'serve') return { name, json };
  if (name === 'help' || name === 'version') return { name };
  throw new Error(`Unknown command: ${name}`);
}

function parseCluster(
  [verb, ...rest]: readonly string[],
  json: boolean,
  { gateways = '1', workers = '1' }: { gateways?: string; workers?: string },
): Command {
  if (verb === undefined)
    return { name: 'cluster', json, gateways: count('--gateways', gateways), workers: count('--workers', workers) };
  if (verb === 'status' || verb === 'migrate') {
    nothingMore(rest);
    return { name: `cluster ${verb}`, json };
  }
  if (verb === 'scale') {
    const given = assignments(rest, ['gateways', 'workers'], 'scale workers=4');
    const entries = Object.entries(given).map(([name, value]) => [name, count(name, value)]);
    return { name: 'cluster scale', json, size: Object.fromEntries(entries) };
  }
  if (verb === 'drain') {
    const { worker } = assignments(rest, ['worker'], 'drain worker=ID');
    return { name: 'cluster drain', json, worker: worker ?? '' };
  }
  throw new Error(`Unknown command: cluster ${verb}`);
}

function nothingMore([unexpected]: readonly string[]): void {
  if (unexpected !== undefined) throw new Error(`Unexpected argument: ${unexpected}`);
}

function count(name: string, text: string): number {
  const least = /gateways/.test(name) ? 1 : 0;
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= mostProcesses))
    throw new Error(`${name} must be a whole number from ${least} to ${mostProcesses}, not ${text}`);
  return value;
}

/** Reads `name=value …`; at least one, none twice. */
function assignments(given: readonly string[], names: readonly string[], example: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const one of given) {
    const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(one) ?? [];
    if (!names.includes(name) || name in result)
      throw new Error(`Unexpected argument: ${one}. For example: ${example}`);
    result[name] = value;
  }
  if (given.length === 0) throw new Error(`Say what to change, for example: ${example}`);
  return result;
}

function parseUsers(rest: readonly string[], given: { username?: string; email?: string }): Command {
  const [action, ...more] = rest;
  if (action !== 'create-superuser') throw new Error('users takes: create-superuser');
  // A password in the arguments would be seen by everybody who can list processes.
  if (more.length > 0)
    throw new Error(`Unexpected argument: ${more[0]}. The password is asked for, or read from stdin.`);
  if (!given.username) throw new Error('users create-superuser needs --username NAME');
  return { name: 'users create-superuser', username: given.username, email: given.email ?? null };
}
