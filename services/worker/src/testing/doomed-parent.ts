/**
 * A process that is to be killed, to see that nothing of it stays: `engine <modelDir>` starts an engine process as the worker does, `blocked`
 * a process that is stuck in a computation behind the same watchdog. Prints the child's pid once it runs.
 */
import { fork } from 'node:child_process';
import { EngineChild } from '../engine-process/engine-child.ts';

const [mode, modelDir = ''] = process.argv.slice(2);

if (mode === 'engine') {
  const child: EngineChild = new EngineChild(
    { backend: 'null', modelDir, threads: 1, nullPaceMs: 0, maxSequences: 4 },
    {
      onReady: () => console.log(child.pid),
      onStep: () => {},
      onRefused: () => {},
      onExit: (reason) => console.log(reason),
    },
    { startTimeoutMs: 60_000, hangTimeoutMs: 60_000 },
  );
} else {
  const child = fork(new URL('./stuck-child.ts', import.meta.url), [], { execArgv: [] });
  child.on('message', () => console.log(child.pid));
}
setInterval(() => {}, 1000);
