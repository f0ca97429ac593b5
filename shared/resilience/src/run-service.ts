/**
 * The life of a service process: start, say so, run until asked to stop, stop in order, end. What it says goes to stdout, one JSON object
 * per line; logs go to stderr. It is asked by SIGTERM, SIGINT or SIGHUP, and by the death of a parent that holds a channel to it.
 */
export interface Service {
  /** What others want to know once it runs: its URL, its id. No secrets. */
  about: Record<string, unknown>;
  /** Finishes or hands over what runs, closes everything. */
  stop(): Promise<void>;
}

/** After an orderly stop whatever still keeps the process alive is nobody's work. */
const lingerMs = 1_000;

const say = (message: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

function untilStopAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
    if (process.channel) process.once('disconnect', () => resolve());
  });
}

/** Failures become one message for people on stderr and exit code 1. */
export async function runService(name: string, start: () => Promise<Service>): Promise<void> {
  const stopAsked = untilStopAsked();
  try {
    const service = await start();
    say({ event: 'ready', service: name, pid: process.pid, ...service.about });
    await stopAsked;
    say({ event: 'stopping', service: name });
    await service.stop();
  } catch (error) {
    process.stderr.write(`inkwell ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  if (process.channel) process.disconnect();
  setTimeout(() => process.exit(), lingerMs).unref();
}
