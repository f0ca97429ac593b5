/** One Ctrl-C arrives several times: from the terminal, and again from npm, which passes it on. */
const sameKeyPressMs = 1000;

/** The first signal asks to stop; another one, pressed later, ends the process at once, which loses nothing either. */
export function untilStopAsked(onAsked: () => void): Promise<'stop'> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    const onSignal = () => {
      if (askedAt !== undefined && performance.now() - askedAt > sameKeyPressMs) process.exit(130);
      if (askedAt !== undefined) return;
      askedAt = performance.now();
      onAsked();
      resolve('stop');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}
