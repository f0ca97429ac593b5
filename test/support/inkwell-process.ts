/**
 * Starts the real product as its own process group on a free port and a temporary data directory, and kills it as rudely as a test asks.
 * Nothing of it outlives the test: `dispose` kills the group and removes the directory.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const mainFile = fileURLToPath(new URL('../../services/inkwell/src/main.ts', import.meta.url));

export const testKey = 'a-bootstrap-key-for-tests-only-0123456789';

export interface InkwellOptions {
  env?: Record<string, string>;
  /** Leave the bootstrap key out, so that the first start makes one. */
  makeKey?: boolean;
  /** 0 = the first start takes a free one, later starts take the same again. */
  port?: number;
}

export interface ReadyMessage {
  url: string;
  apiKeyFile: string | null;
  curl: string;
}

export class InkwellProcess {
  readonly dataDir: string;
  readonly workers = 1;
  readonly #options: InkwellOptions;
  #child: ChildProcess | undefined;
  #output = '';
  url = '';
  port = 0;
  ready: ReadyMessage | undefined;

  constructor(options: InkwellOptions = {}) {
    this.#options = options;
    this.port = options.port ?? 0;
    this.dataDir = mkdtempSync(join(tmpdir(), 'inkwell-test-'));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** All the process said so far, to explain a failure. */
  get output(): string {
    return this.#output;
  }

  /** Spawns without waiting until it is ready. */
  spawn(): void {
    const key: Record<string, string> = this.#options.makeKey ? {} : { INKWELL_BOOTSTRAP_KEY: testKey };
    const child = spawn(process.execPath, [mainFile, 'serve', '--json'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...key, PORT: String(this.port), INKWELL_DATA_DIR: this.dataDir, ...this.#options.env },
    });
    this.#child = child;
    child.stderr.on('data', (chunk) => {
      this.#output = (this.#output + chunk).slice(-20_000);
    });
  }

  /** Resolves when it answers requests; rejects with its output if it exits or takes too long. */
  async untilReady(timeoutMs = 45_000): Promise<void> {
    const child = this.#child;
    if (!child?.stdout) throw new Error('not spawned');
    const lines = createInterface({ input: child.stdout });
    const timer = setTimeout(() => lines.close(), timeoutMs);
    try {
      for await (const line of lines) {
        this.#output += `${line}\n`;
        const message = JSON.parse(line);
        if (message.event !== 'ready') continue;
        this.ready = message;
        this.url = message.url;
        this.port = Number(new URL(message.url).port);
        return;
      }
    } finally {
      clearTimeout(timer);
    }
    throw new Error(`inkwell did not become ready (exit ${child.exitCode ?? child.signalCode}):\n${this.#output}`);
  }

  async start(): Promise<this> {
    this.spawn();
    await this.untilReady();
    return this;
  }

  /** SIGKILL to the whole process group; resolves when the main process is gone. */
  async killNine(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM to the main process alone; answers its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    process.kill(this.pid, 'SIGTERM');
    await exited;
    return child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child?.pid) return;
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The whole group is gone already.
    }
    await exited;
  }

  async dispose(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  enginePids(): number[] {
    return childrenOf(this.pid);
  }

  /** Sends a request with the test key; a string body goes as it is, anything else as JSON. */
  request(path: string, init: RequestInput = {}): Promise<Response> {
    return sendRequest(this.url + path, init);
  }
}

export interface RequestInput {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export function sendRequest(url: string, init: RequestInput = {}): Promise<Response> {
  const body =
    init.body === undefined ? undefined : typeof init.body === 'string' ? init.body : JSON.stringify(init.body);
  return fetch(url, {
    method: init.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      authorization: `Bearer ${testKey}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...init.headers,
    },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(60_000),
  });
}

/** Processes whose parent this is. */
export function childrenOf(parent: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([, its]) => its === parent)
    .map(([pid]) => pid ?? 0);
}
