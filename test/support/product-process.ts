/**
 * The product as a process of its own, in a process group of its own, on a temporary data directory: started as a person would, waited for,
 * stopped, asked over HTTP. What is an edition's own, its class says.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const mainFile = fileURLToPath(new URL('../../services/inkwell/src/main.ts', import.meta.url));

export const testKey = 'a-bootstrap-key-for-tests-only-0123456789';

/** How much of the output is kept, in characters, unless a test reads all of it. */
const usuallyKept = 40_000;

export interface InkwellOptions {
  env?: Record<string, string>;
  /** Leave the bootstrap key out, so that the first start makes one. */
  makeKey?: boolean;
  /** Characters of the output that are kept. */
  keptOutput?: number;
  /** 0 = the first start takes a free one, later starts take the same again. */
  port?: number;
}

export interface ReadyMessage {
  url: string;
  apiKeyFile: string | null;
  curl: string;
}

export abstract class ProductProcess<Ready extends ReadyMessage = ReadyMessage> {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'inkwell-test-'));
  port: number;
  ready: Ready | undefined;
  protected child: ChildProcess | undefined;
  readonly #options: InkwellOptions;
  #output = '';

  constructor(options: InkwellOptions) {
    this.#options = options;
    this.port = options.port ?? 0;
  }

  /** Where it is asked. */
  abstract get url(): string;
  /** What follows `inkwell` on the command line. */
  protected abstract get command(): readonly string[];
  /** Settings of this edition, under those that a test gives. */
  protected abstract get settings(): Record<string, string>;
  /** How long it may take to become ready. */
  protected abstract readonly startMs: number;
  /** Told what it said when it was ready. */
  protected abstract onReady(message: Ready): void;

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** All the process said so far, to explain a failure. */
  get output(): string {
    return this.#output;
  }

  #hear(text: string): void {
    this.#output = (this.#output + text).slice(-(this.#options.keptOutput ?? usuallyKept));
  }

  /** Spawns without waiting until it is ready. */
  spawn(): void {
    const { env, makeKey } = this.#options;
    const key: Record<string, string> = makeKey ? {} : { INKWELL_BOOTSTRAP_KEY: testKey };
    const own = { PORT: `${this.port}`, INKWELL_DATA_DIR: this.dataDir, ...this.settings };
    const child = spawn(process.execPath, [mainFile, ...this.command], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...key, ...own, ...env },
    });
    this.child = child;
    child.stderr.on('data', (chunk) => this.#hear(`${chunk}`));
  }

  /** Resolves when it answers requests; rejects with its output if it exits or takes too long. */
  async untilReady(timeoutMs = this.startMs): Promise<void> {
    const child = this.child;
    if (!child?.stdout) throw new Error('not spawned');
    const lines = createInterface({ input: child.stdout });
    const timer = setTimeout(() => lines.close(), timeoutMs);
    try {
      for await (const line of lines) {
        this.#hear(`${line}\n`);
        const message = JSON.parse(line);
        if (message.event !== 'ready') continue;
        this.ready = message;
        this.onReady(message);
        // What it says from now on is still read, or it would wait for a reader.
        child.stdout.on('data', (chunk) => this.#hear(`${chunk}`));
        child.stdout.resume();
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

  /** SIGTERM to the main process alone; answers its exit code. */
  async stop(): Promise<number | null> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    process.kill(this.pid, 'SIGTERM');
    await exited;
    return child.exitCode;
  }

  /** Sends a request with the test key; a string body goes as it is, anything else as JSON. */
  request(path: string, init: RequestInput = {}): Promise<Response> {
    const { body: given } = init;
    const body = given === undefined || typeof given === 'string' ? given : JSON.stringify(given);
    return fetch(this.url + path, {
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
}

export interface RequestInput {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Processes whose parent this is. */
export function childrenOf(parent: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([, its]) => its === parent)
    .map(([pid]) => pid ?? 0);
}
