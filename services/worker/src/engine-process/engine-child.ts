/**
 * One engine process, seen from the worker: forked, greeted, watched, ended. Promises exactly one `onExit`, whatever ended it: a crash, a
 * model that cannot be loaded, or a hang, which is met with SIGKILL. Starting another one is the supervisor's business.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { modelProcessEnvironment, modelProcessFlags } from '@inkwell/gpt2';
import type { ModelBackendInfo } from '@inkwell/ports';
import { asAllFromEngine, type EngineConfig, type FromEngine, protocolVersion, type ToEngine } from './protocol.ts';

export interface EngineChildEvents {
  onLoading?(percent: number): void;
  onReady(info: ModelBackendInfo): void;
  onStep(message: Extract<FromEngine, { type: 'step' }>): void;
  onRefused(run: string, message: string): void;
  /** `failure` is the process's own last word, when it had one: the model cannot be loaded. */
  onExit(reason: string, failure: string | null): void;
}

export interface EngineChildTimeouts {
  /** Most milliseconds from fork to ready. */
  startTimeoutMs: number;
  /** Most milliseconds without a sign of life once ready; also the longest step. */
  hangTimeoutMs: number;
}

/** Silence is counted in pings unanswered, not in time: after a suspend of the whole machine nobody is killed. */
const pingsPerTimeout = 4;

export class EngineChild {
  readonly #child: ChildProcess;
  readonly #events: EngineChildEvents;
  readonly #timeouts: EngineChildTimeouts;
  #startTimer: NodeJS.Timeout | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #silentPings = 0;
  #killedFor: string | null = null;
  #failure: string | null = null;
  #ended = false;
  /** Said in this turn of the event loop. */
  #unsent: ToEngine[] = [];

  constructor(config: EngineConfig, events: EngineChildEvents, timeouts: EngineChildTimeouts) {
    this.#events = events;
    this.#timeouts = timeouts;
    // The engine's stdout is ours for machines to read: whatever a library prints there belongs on stderr.
    this.#child = fork(new URL('./engine-main.ts', import.meta.url), [], {
      execArgv: [...modelProcessFlags],
      env: modelProcessEnvironment(config.cacheDirectory),
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#child.on('message', (raw) => this.#receive(raw));
    this.#child.on('error', (error) => this.kill(error.message));
    this.#child.on('exit', (code, signal) => this.#exited(code, signal));
    this.#startTimer = setTimeout(() => this.kill('it was not ready in time'), timeouts.startTimeoutMs);
    this.send({ type: 'start', version: protocolVersion, config });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** A message to a process that is ending is lost; `onExit` follows. */
  send(message: ToEngine): void {
    if (this.#unsent.push(message) === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#unsent;
    this.#unsent = [];
    if (this.#child.connected) this.#child.send(messages, () => {});
  }

  kill(reason: string): void {
    this.#killedFor ??= reason;
    if (this.#child.pid === undefined) this.#exited(null, null);
    else this.#child.kill('SIGKILL');
  }

  #receive(raw: unknown): void {
    this.#silentPings = 0;
    if (this.#ended) return;
    let messages: FromEngine[];
    try {
      messages = asAllFromEngine(raw);
    } catch (error) {
      this.kill((error as Error).message);
      return;
    }
    for (const message of messages) this.#hear(message);
  }

  #hear(message: FromEngine): void {
    if (message.type === 'step') this.#events.onStep(message);
    else if (message.type === 'refused') this.#events.onRefused(message.run, message.message);
    else if (message.type === 'loading') this.#events.onLoading?.(message.percent);
    else if (message.type === 'ready') this.#ready(message.info);
    else if (message.type === 'failed') this.#failure = message.message;
    else if (message.type === 'hello' && message.version !== protocolVersion) this.kill('it speaks another protocol');
  }

  #ready(info: ModelBackendInfo): void {
    clearTimeout(this.#startTimer);
    this.#pingTimer = setInterval(() => this.#ping(), this.#timeouts.hangTimeoutMs / pingsPerTimeout);
    this.#events.onReady(info);
  }

  #ping(): void {
    if (this.#silentPings++ >= pingsPerTimeout) {
      this.kill(`it gave no sign of life for ${this.#timeouts.hangTimeoutMs} ms`);
      return;
    }
    this.send({ type: 'ping' });
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#startTimer);
    clearInterval(this.#pingTimer);
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    this.#events.onExit(this.#killedFor ?? this.#failure ?? how, this.#failure);
  }
}
