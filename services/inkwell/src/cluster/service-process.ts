/**
 * Starts a gateway, worker or recorder as a process of its own. It holds a channel to us: should we die, it notices and ends in order. Its
 * logs go where ours go.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Started } from './keeper.ts';

export type ServiceRole = 'gateway' | 'worker' | 'recorder';

/** Longest a service may take until it is ready: a large model takes minutes to load. */
const startMs = 300_000;
/** A worker finishes what runs for ten seconds before it hands the rest over. */
const stopMs = 20_000;

/**
 * A gateway with ten thousand open streams computes little and lives long: left alone, V8 gives its young generation 128 MiB, which is more than
 * all their objects take.
 */
const flagsOf: Readonly<Record<ServiceRole, readonly string[]>> = {
  gateway: ['--max-semi-space-size=16'],
  worker: [],
  recorder: [],
};

const mainOf = (role: ServiceRole) => fileURLToPath(new URL(`../../../${role}/src/main.ts`, import.meta.url));

export async function startService(role: ServiceRole, env: NodeJS.ProcessEnv): Promise<Started> {
  const child = spawn(process.execPath, [...flagsOf[role], mainOf(role)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // In a process group of its own: a Ctrl-C in the terminal is ours to pass on, in order.
    detached: true,
  });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void ended.then(() => process.removeListener('exit', killWithUs));
  const about = await untilReady(child, role).catch(async (error: unknown) => {
    await end(child, ended);
    throw error;
  });
  return { pid: child.pid ?? 0, about, ended, stop: () => end(child, ended) };
}

async function untilReady(child: ChildProcess, role: ServiceRole): Promise<Record<string, unknown>> {
  if (!child.stdout) throw new Error('no pipe to the service');
  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => lines.close(), startMs);
  const closed = once(lines, 'close');
  try {
    const ready = await new Promise<Record<string, unknown> | undefined>((resolve) => {
      lines.on('line', (line) => {
        const message = parse(line);
        if (message?.event === 'ready') resolve(message);
      });
      void closed.then(() => resolve(undefined));
      child.once('error', () => resolve(undefined));
    });
    if (ready === undefined) throw new Error(`The ${role} did not start; its message is above.`);
    return ready;
  } finally {
    clearTimeout(timer);
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
  await ended;
  clearTimeout(timer);
}
