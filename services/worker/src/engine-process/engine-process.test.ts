import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRandomModel } from '@inkwell/gpt2';
import { createLog } from '@inkwell/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { specOf } from '../testing/bench.ts';
import { type EngineEvents, EngineSupervisor } from './engine-supervisor.ts';
import { asAllFromEngine, asAllToEngine, type EngineConfig, type FromEngine } from './protocol.ts';

let modelDir: string;
beforeAll(async () => {
  modelDir = await mkdtemp(join(tmpdir(), 'inkwell-process-'));
  await writeRandomModel(
    modelDir,
    { n_layer: 1, n_head: 1, n_embd: 8, n_positions: 128, vocab_size: 300 },
    { seed: 1 },
  );
});
afterAll(() => rm(modelDir, { recursive: true, force: true }));

const log = createLog({ level: 'silent', name: 'test' });
const timeouts = { startTimeoutMs: 60_000, hangTimeoutMs: 60_000 };
const events = { onReady: () => {}, onStep: () => {}, onRefused: () => {}, onCrash: () => {} };
const config = (over: Partial<EngineConfig> = {}): EngineConfig => ({
  backend: 'null',
  modelDir,
  threads: 1,
  nullPaceMs: 0,
  maxSequences: 4,
  ...over,
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (isAlive(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('engine process', () => {
  it('loads, steps through a submission, says no to what cannot run, and is gone after stop', async () => {
    const steps: Extract<FromEngine, { type: 'step' }>[] = [];
    const refused: string[] = [];
    const done = Promise.withResolvers<void>();
    const supervisor = new EngineSupervisor(
      config(),
      timeouts,
      {
        ...events,
        onStep: (message) => {
          steps.push(message);
          if (message.report.jobs.some((job) => job.usage !== null)) done.resolve();
        },
        onRefused: (run) => refused.push(run),
      },
      log,
    );
    expect(await supervisor.start()).toMatchObject({ name: 'null', contextLength: 128 });
    supervisor.send({ type: 'submit', run: 'bad', spec: specOf({ prompts: [[]] }), delivered: [] });
    supervisor.send({ type: 'submit', run: 'good', spec: specOf({ maxTokens: 5 }), delivered: [] });
    await done.promise;
    const deltas = steps.flatMap((step) => step.report.jobs).flatMap((job) => job.deltas);
    expect(deltas.flatMap((delta) => delta.tokens)).toHaveLength(5);
    expect(refused).toEqual(['bad']);
    const pid = supervisor.pid!;
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
    expect(supervisor.send({ type: 'ping' })).toBe(false);
  });

  it('tells how much of the model is loaded, up to all of it, before it is ready', async () => {
    const percents: number[] = [];
    const listener: EngineEvents = { ...events, onLoading: (percent) => percents.push(percent) };
    const supervisor = new EngineSupervisor(config({ backend: 'wasm' }), timeouts, listener, log);
    await supervisor.start();
    await supervisor.stop();
    expect(percents.at(-1)).toBe(100);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  });

  it('compiles its modules once for all starts: what a killed one left is what the next one takes', async () => {
    const cacheDirectory = await mkdtemp(join(tmpdir(), 'inkwell-modules-'));
    const start = async (): Promise<Record<string, number>> => {
      const supervisor = new EngineSupervisor(config({ cacheDirectory }), timeouts, events, log);
      await supervisor.start();
      await supervisor.stop();
      const files = await readdir(cacheDirectory, { recursive: true, withFileTypes: true });
      const paths = files.filter((file) => file.isFile()).map(({ parentPath, name }) => join(parentPath, name));
      return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, (await stat(path)).mtimeMs])));
    };
    const first = await start();
    expect(Object.keys(first).length).toBeGreaterThan(10);
    // A thread may be killed before it has written its own; what is there is taken, not written again.
    expect(await start()).toMatchObject(first);
    await rm(cacheDirectory, { recursive: true });
  });

  it('says which file of the model cannot be used', async () => {
    const supervisor = new EngineSupervisor(config({ modelDir: '/nowhere', backend: 'wasm' }), timeouts, events, log);
    await expect(supervisor.start()).rejects.toThrow(/The model cannot be loaded.*\/nowhere/s);
    await supervisor.stop();
  });

  it('is started again after a crash, and told of once', async () => {
    const crashes: string[] = [];
    const again = Promise.withResolvers<void>();
    let starts = 0;
    const listener: EngineEvents = {
      ...events,
      onReady: () => {
        if (++starts === 2) again.resolve();
      },
      onCrash: (reason) => crashes.push(reason),
    };
    const supervisor = new EngineSupervisor(config(), timeouts, listener, log);
    await supervisor.start();
    const first = supervisor.pid!;
    process.kill(first, 'SIGKILL');
    await again.promise;
    expect(crashes).toEqual(['signal SIGKILL']);
    expect(supervisor.pid).not.toBe(first);
    await supervisor.stop();
    expect(crashes).toHaveLength(1);
  });

  it.each(['engine', 'blocked'])('ends by itself when its parent is killed: %s', async (mode) => {
    const script = new URL('../testing/doomed-parent.ts', import.meta.url).pathname;
    const parent = spawn(process.execPath, [script, mode, modelDir], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await untilGone(pid);
  });

  it('leaves a signal to the whole process group to its parent', async () => {
    const stepped = Promise.withResolvers<void>();
    const supervisor = new EngineSupervisor(config(), timeouts, { ...events, onStep: () => stepped.resolve() }, log);
    await supervisor.start();
    const pid = supervisor.pid!;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    supervisor.send({ type: 'submit', run: 'a', spec: specOf({ maxTokens: 1 }), delivered: [] });
    await stepped.promise;
    expect(supervisor.pid).toBe(pid);
    await supervisor.stop();
  });
});

describe('engine protocol', () => {
  it('takes well-formed messages and names what is wrong with others', () => {
    const asToEngine = (message: unknown) => asAllToEngine([{ type: 'ping' }, message]);
    const asFromEngine = (message: unknown) => asAllFromEngine([message, { type: 'pong' }]);
    expect(asToEngine({ type: 'abort', run: '1' })).toEqual([{ type: 'ping' }, { type: 'abort', run: '1' }]);
    expect(asFromEngine({ type: 'pong' })).toEqual([{ type: 'pong' }, { type: 'pong' }]);
    for (const alone of [{ type: 'pong' }, null, 'x']) expect(() => asAllFromEngine(alone)).toThrow(TypeError);
    for (const strange of [null, 'x', {}, { type: 'toString' }, { type: 'step', report: null, durationMs: 1 }]) {
      expect(() => asFromEngine(strange)).toThrow(TypeError);
    }
    expect(() => asToEngine({ type: 'submit', run: 1, spec: {}, delivered: [] })).toThrow('no valid run');
    expect(() => asToEngine({ type: 'ready', info: {} })).toThrow('unknown');
  });
});
