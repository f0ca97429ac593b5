/** One signal out of the ways a request's work can be told to stop. Made and released with the request, so that nothing long-lived gathers it. */
export interface StopSignal {
  readonly signal: AbortSignal;
  stop(): void;
  /** Lets go of what it listened to. */
  release(): void;
}

/**
 * @param subscribe one of the lifecycle's hooks
 * @param gone the request's own signal
 */
export function stopSignal(subscribe: (listener: () => void) => () => void, gone?: AbortSignal): StopSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const unsubscribe = subscribe(stop);
  if (gone?.aborted) stop();
  gone?.addEventListener('abort', stop);
  return {
    signal: controller.signal,
    stop,
    release() {
      unsubscribe();
      gone?.removeEventListener('abort', stop);
    },
  };
}
