/**
 * A whole cluster as `inkwell cluster` starts it, with the face of `InkwellProcess`, so that one test suite asks both editions. Requests go
 * to the gateways in turn: whatever a test does, it does it across them. Nothing of it outlives the test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { childrenOf, type InkwellOptions, type ReadyMessage, sendRequest, testKey } from './inkwell-process.ts';

const mainFile = fileURLToPath(new URL('../../services/inkwell/src/main.ts', import.meta.url));

export type Role = 'gateway' | 'worker' | 'recorder' | 'kafka' | 'redis' | 'mongo' | 'supervisor';

/** For clusters that are to start servers of their own, whatever the environment names. */
export const ownServers = { KAFKA_BROKERS: '', REDIS_URL: '', MONGO_URL: '' };

export interface ClusterOptions extends InkwellOptions {
  gateways?: number;
  workers?: number;
}

export class ClusterProcess {
  readonly dataDir: string;
  readonly workers: number;
  /** On servers that others use too, a cluster has names of its own. */
  readonly #namespace = `test-${randomBytes(6).toString('hex')}`;
  readonly #options: ClusterOptions;
  #child: ChildProcess | undefined;
  #output = '';
  #turn = 0;
  gateways: readonly string[] = [];
  port: number;
  ready: ReadyMessage | undefined;

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
    this.workers = options.workers ?? 2;
    this.port = options.port ?? 0;
    this.dataDir = mkdtempSync(join(tmpdir(), 'inkwell-cluster-'));
  }

  /** Another gateway each time it is asked for. */
  get url(): string {
    return this.gateways[this.#turn++ % this.gateways.length] ?? '';
  }

  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  spawn(): void {
    const { env, makeKey, gateways = 2 } = this.#options;
    const key: Record<string, string> = makeKey ? {} : { INKWELL_BOOTSTRAP_KEY: testKey };
    const args = [mainFile, 'cluster', '--json', '--gateways', `${gateways}`, '--workers', `${this.workers}`];
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...key,
        PORT: `${this.port}`,
        INKWELL_DATA_DIR: this.dataDir,
        INKWELL_NAMESPACE: this.#namespace,
        ...env,
      },
    });
    this.#child = child;
    child.stderr.on('data', (chunk) => {
      this.#output = (this.#output + chunk).slice(-40_000);
    });
  }

  async untilReady(timeoutMs = 120_000): Promise<void> {
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
        this.gateways = message.gateways;
        child.stdout.on('data', (chunk) => {
          this.#output = (this.#output + chunk).slice(-40_000);
        });
        child.stdout.resume();
        return;
      }
    } finally {
      clearTimeout(timer);
    }
    throw new Error(`the cluster did not become ready (exit ${child.exitCode ?? child.signalCode}):\n${this.#output}`);
  }

  async start(): Promise<this> {
    this.spawn();
    await this.untilReady();
    return this;
  }

  /** What `cluster.json` says runs now. */
  processes(role?: Role): { role: Role; pid: number; id?: string; url?: string }[] {
    const path = join(this.dataDir, 'cluster.json');
    if (!existsSync(path)) return [];
    const { processes } = JSON.parse(readFileSync(path, 'utf8'));
    return processes.filter((one: { role: Role }) => role === undefined || one.role === role);
  }

  enginePids(): number[] {
    return this.processes('worker').flatMap(({ pid }) => childrenOf(pid));
  }

  /** Runs `inkwell cluster …` against it and answers what it prints. */
  command(...args: string[]): string {
    const env = { ...process.env, INKWELL_DATA_DIR: this.dataDir };
    return execFileSync(process.execPath, [mainFile, 'cluster', ...args], { env, encoding: 'utf8', timeout: 60_000 });
  }

  /** SIGTERM to the supervisor alone; answers its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    process.kill(this.pid, 'SIGTERM');
    await exited;
    return child.exitCode;
  }

  async dispose(): Promise<void> {
    const left = this.processes();
    await Promise.race([this.stop(), new Promise((resolve) => setTimeout(resolve, 30_000).unref())]);
    for (const { pid } of left) killIfAlive(pid);
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  request(path: string, init: Parameters<typeof sendRequest>[1] = {}): Promise<Response> {
    return sendRequest(this.url + path, init);
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended with the cluster.
  }
}
