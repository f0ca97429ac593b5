/**
 * A real server as a child process: started on a free port, known to be ready by what it prints, ended with whoever started it. The modules
 * beside this one say how each kind is obtained and configured; none of them needs Docker.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

export interface RunningService {
  /** As a client takes it. */
  readonly url: string;
  /** Of the process, when it is ours. */
  readonly pid?: number;
  /** Resolves when the process has ended, however; never for a server that was only joined. */
  readonly ended?: Promise<void>;
  /** Ends the server and removes what it stored, unless the directory was given. A server that was only joined goes on. */
  stop(): Promise<void>;
  /** Ends it as a power cut of the process would (SIGKILL); what it stored stays until `stop`. */
  kill(): Promise<void>;
}

interface ChildOptions {
  command: string;
  args: readonly string[];
  directory: string;
  /** Default: ours. */
  env?: NodeJS.ProcessEnv;
  /** What the server prints when it answers requests. */
  ready: RegExp;
  readyTimeoutMs: number;
  /** In a process group of its own: a Ctrl-C in the terminal then does not end it before those who use it. */
  ownGroup?: boolean;
}

export interface Child {
  readonly pid: number;
  readonly ended: Promise<void>;
  /** The part of its output that said it was ready. */
  readonly announced: string;
  /** Sends the signal and waits for the end; SIGKILL follows when it takes longer than five seconds. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** How much of a server's output is kept for the message of a failed start, in characters. */
const keptOutput = 4000;

export async function startChild(options: ChildOptions): Promise<Child> {
  const { command, args, directory, env, ready, readyTimeoutMs, ownGroup } = options;
  const child = spawn(command, args, {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup ?? false,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  child.once('exit', () => process.removeListener('exit', killWithParent));
  let announced: string;
  try {
    announced = await untilReady(child, ready, readyTimeoutMs);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`${command} did not start: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { pid: child.pid ?? 0, ended, announced, end: (signal) => end(child, signal) };
}

function untilReady(child: ChildProcess, ready: RegExp, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`not ready after ${timeoutMs} ms.\n${output}`)), timeoutMs);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    const hear = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-keptOutput);
      const found = ready.exec(output)?.[0];
      if (found !== undefined) settle(() => resolve(found));
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', (error) => settle(() => reject(error)));
    child.once('exit', (code) => settle(() => reject(new Error(`it ended with ${code}.\n${output}`))));
  });
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(timer);
}

/**
 * A port nobody listens on now. Drawn from below those a system gives to outgoing connections: one of these could take it before a server that
 * starts slowly does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const server = createServer();
    const listening = once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.listen(port, '127.0.0.1');
    if (!(await listening)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
