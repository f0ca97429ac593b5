/**
 * The engine process: loads a model, steps as long as there is work and reports each step in one message. It looks at its messages between
 * any two steps, so a cancelled job loses its slot at once. It ends itself when its parent goes, and any error it did not expect ends it too:
 * the parent starts a new one and every job continues exactly.
 */
import { flushCompileCache } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Engine } from '@inkwell/engine';
import { loadEngine } from './load-engine.ts';
import { asAllToEngine, type EngineConfig, type FromEngine, protocolVersion, type ToEngine } from './protocol.ts';

let unsent: FromEngine[] = [];

/** What is said in one turn of the event loop goes over together. */
function send(message: FromEngine): void {
  if (unsent.push(message) === 1) process.nextTick(flush);
}

function flush(): void {
  const messages = unsent;
  unsent = [];
  if (messages.length > 0) process.send?.(messages);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Sends a last word and ends once it is on its way. */
function fail(message: string): void {
  process.exitCode = 1;
  flush();
  process.send?.([{ type: 'failed', message }] satisfies FromEngine[], undefined, undefined, () => process.exit());
}

class EngineLoop {
  readonly #engine: Engine;
  #wake: () => void = () => {};

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  receive(message: ToEngine): void {
    if (message.type === 'submit') this.#submit(message.run, message);
    else if (message.type === 'abort') this.#engine.abort(message.run);
    this.#wake();
  }

  async run(): Promise<never> {
    for (;;) {
      if (this.#engine.idle) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const start = performance.now();
      const report = await this.#engine.step();
      send({ type: 'step', report, durationMs: performance.now() - start });
      await nextTurn();
    }
  }

  #submit(run: string, { spec, delivered, scope }: Extract<ToEngine, { type: 'submit' }>): void {
    try {
      this.#engine.add(run, spec, delivered, scope);
    } catch (error) {
      send({ type: 'refused', run, message: messageOf(error) });
    }
  }
}

let loop: EngineLoop | undefined;

async function start(config: EngineConfig): Promise<void> {
  try {
    const { engine, info } = await loadEngine(config, (percent) => send({ type: 'loading', percent }));
    loop = new EngineLoop(engine);
    // Now, since this process usually ends by SIGKILL.
    flushCompileCache();
    send({ type: 'ready', info });
  } catch (error) {
    fail(messageOf(error));
    return;
  }
  await loop.run();
}

function receive(raw: unknown): void {
  for (const message of asAllToEngine(raw)) hear(message);
}

function hear(message: ToEngine): void {
  if (message.type === 'ping') send({ type: 'pong' });
  else if (message.type !== 'start') loop?.receive(message);
  else if (message.version === protocolVersion) void start(message.config);
  else fail(`the worker speaks engine protocol ${message.version}, this engine ${protocolVersion}: restart both`);
}

// A signal to the whole process group means the parent, which finishes what runs before it lets go of the engine.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('SIGHUP', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', receive);
new Worker(new URL('./parent-watchdog.ts', import.meta.url), { workerData: { parentPid: process.ppid } }).unref();
send({ type: 'hello', version: protocolVersion });
