/**
 * The embedded edition as a process, killed as rudely as a test asks. Nothing of it outlives the test: `dispose` kills its process group and
 * removes the directory.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { childrenOf, type InkwellOptions, ProductProcess, type ReadyMessage } from './product-process.ts';

export class InkwellProcess extends ProductProcess {
  readonly workers = 1;
  protected readonly command = ['serve', '--json'];
  protected readonly settings = {};
  protected readonly startMs = 45_000;
  url = '';

  constructor(options: InkwellOptions = {}) {
    super(options);
  }

  protected onReady({ url }: ReadyMessage): void {
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** SIGKILL to the whole process group; resolves when the main process is gone. */
  async killNine(): Promise<void> {
    const { child } = this;
    if (!child?.pid) return;
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The whole group is gone already.
    }
    await exited;
  }

  async dispose(): Promise<void> {
    await this.killNine();
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  enginePids(): number[] {
    return childrenOf(this.pid);
  }
}
