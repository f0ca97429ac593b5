/**
 * Keeps an engine process running: starts it, starts another one after a crash, with a growing pause while it comes to nothing. Knows no
 * job; who was in a crashed engine, and what becomes of them, the worker decides.
 */
import type { Logger } from '@inkwell/observability';
import type { ModelBackendInfo } from '@inkwell/ports';
import { EngineChild, type EngineChildEvents, type EngineChildTimeouts } from './engine-child.ts';
import type { EngineConfig, ToEngine } from './protocol.ts';

const firstPauseMs = 50;
const longestPauseMs = 10_000;

export interface EngineEvents extends Pick<EngineChildEvents, 'onLoading' | 'onReady' | 'onStep' | 'onRefused'> {
  /** The engine is gone with everything in it; another one follows. Not called after `stop`. */
  onCrash(reason: string): void;
}

export class EngineSupervisor {
  readonly #config: EngineConfig;
  readonly #timeouts: EngineChildTimeouts;
  readonly #events: EngineEvents;
  readonly #log: Logger;
  #child: EngineChild | undefined;
  #info: ModelBackendInfo | null = null;
  #pauseMs = firstPauseMs;
  #pauseTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  #onStopped: () => void = () => {};
  #firstStart = Promise.withResolvers<ModelBackendInfo>();

  constructor(config: EngineConfig, timeouts: EngineChildTimeouts, events: EngineEvents, log: Logger) {
    this.#config = config;
    this.#timeouts = timeouts;
    this.#events = events;
    this.#log = log;
  }

  /** The model that runs now; null while the engine is starting. */
  get info(): ModelBackendInfo | null {
    return this.#info;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Resolves when the engine is ready; rejects when the first one says that the model cannot be loaded, or on `stop`. */
  start(): Promise<ModelBackendInfo> {
    this.#fork();
    return this.#firstStart.promise;
  }

  /** False when there is no engine now; nothing was sent then. */
  send(message: ToEngine): boolean {
    if (this.#info === null || this.#child === undefined) return false;
    this.#child.send(message);
    return true;
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#info = null;
    clearTimeout(this.#pauseTimer);
    this.#firstStart.promise.catch(() => {});
    this.#firstStart.reject(new Error('the engine was stopped'));
    const child = this.#child;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve;
      child.kill('the worker stops');
    });
  }

  #fork(): void {
    this.#child = new EngineChild(
      this.#config,
      {
        onLoading: (percent) => this.#events.onLoading?.(percent),
        onReady: (info) => this.#ready(info),
        onStep: (message) => {
          this.#pauseMs = firstPauseMs;
          this.#events.onStep(message);
        },
        onRefused: (run, message) => this.#events.onRefused(run, message),
        onExit: (reason, failure) => this.#exited(reason, failure),
      },
      this.#timeouts,
    );
  }

  #ready(info: ModelBackendInfo): void {
    if (this.#stopped) return;
    this.#info = info;
    this.#log.info({ backend: info.name, device: info.device, threads: info.threads, pid: this.pid }, 'engine ready');
    this.#firstStart.resolve(info);
    this.#events.onReady(info);
  }

  #exited(reason: string, failure: string | null): void {
    const wasReady = this.#info !== null;
    this.#child = undefined;
    this.#info = null;
    if (this.#stopped) {
      this.#onStopped();
      return;
    }
    if (!wasReady && failure !== null) this.#firstStart.reject(new Error(`The model cannot be loaded. ${failure}`));
    this.#log.error({ reason, pauseMs: this.#pauseMs }, 'the engine ended; another one is started');
    if (wasReady) this.#events.onCrash(reason);
    this.#pauseTimer = setTimeout(() => this.#fork(), this.#pauseMs);
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
  }
}
