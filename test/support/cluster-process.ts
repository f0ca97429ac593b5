/**
 * A whole cluster as `inkwell cluster` starts it, with the face of `InkwellProcess`, so that one test suite asks both editions. Requests go
 * to the gateways in turn: whatever a test does, it does it across them. Nothing of it outlives the test.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf, type InkwellOptions, mainFile, ProductProcess, type ReadyMessage } from './product-process.ts';

export type Role = 'gateway' | 'worker' | 'recorder' | 'kafka' | 'redis' | 'mongo' | 'supervisor';

/** For clusters that are to start servers of their own, whatever the environment names. */
export const ownServers = { KAFKA_BROKERS: '', REDIS_URL: '', MONGO_URL: '' };

export interface ClusterOptions extends InkwellOptions {
  gateways?: number;
  workers?: number;
}

interface ClusterReady extends ReadyMessage {
  gateways: readonly string[];
}

export class ClusterProcess extends ProductProcess<ClusterReady> {
  readonly workers: number;
  protected readonly command: readonly string[];
  /** On servers that others use too, a cluster has names of its own. */
  protected readonly settings = { INKWELL_NAMESPACE: `test-${randomBytes(6).toString('hex')}` };
  protected readonly startMs = 120_000;
  gateways: readonly string[] = [];
  #turn = 0;

  constructor(options: ClusterOptions = {}) {
    super(options);
    const { gateways = 2, workers = 2 } = options;
    this.workers = workers;
    this.command = ['cluster', '--json', '--gateways', `${gateways}`, '--workers', `${workers}`];
  }

  protected onReady({ gateways }: ClusterReady): void {
    this.gateways = gateways;
  }

  /** Another gateway each time it is asked for. */
  get url(): string {
    return this.gateways[this.#turn++ % this.gateways.length] ?? '';
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
  say(...args: string[]): string {
    const env = { ...process.env, INKWELL_DATA_DIR: this.dataDir };
    return execFileSync(process.execPath, [mainFile, 'cluster', ...args], { env, encoding: 'utf8', timeout: 60_000 });
  }

  async dispose(): Promise<void> {
    const left = this.processes();
    await Promise.race([this.stop(), new Promise((resolve) => setTimeout(resolve, 30_000).unref())]);
    for (const { pid } of left) killIfAlive(pid);
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** False when it had ended before: what `cluster.json` says may be a moment old. */
export function killIfAlive(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
