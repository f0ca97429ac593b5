/** `ResultStream.follow` by `subscribe`: each page of events waits until the last one has been taken. */
import type { JobEvent } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';

export function followBySubscribing(subscribe: ResultStream['subscribe']): ResultStream['follow'] {
  return async function* follow(key, afterSeq, signal) {
    if (signal.aborted) return;
    let page: readonly JobEvent[] = [];
    let taken: (() => void) | undefined;
    let end: { error?: unknown } | undefined;
    let wake = () => {};
    const subscription = subscribe(key, afterSeq, {
      tell(events) {
        page = events;
        wake();
        return new Promise((resolve) => {
          taken = resolve;
        });
      },
      end(error) {
        end = { error };
        wake();
      },
    });
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        for (const event of page) {
          yield event;
          if (signal.aborted) return;
        }
        page = [];
        taken?.();
        if (end?.error !== undefined) throw end.error;
        if (end !== undefined) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      subscription.leave();
    }
  };
}
