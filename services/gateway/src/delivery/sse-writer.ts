/**
 * Writes server-sent events to one client: what is written within a turn of the event loop leaves as one chunk, a client that doesn't read
 * slows its producer down and is dropped after a while, and silence is broken by comments. Knows nothing of jobs.
 */
import type { ServerResponse } from 'node:http';

export interface SseOptions {
  headers?: Readonly<Record<string, string>>;
  heartbeatMs: number;
  stallLimitMs: number;
}

export interface SseWriter {
  /** Queues complete frames. Answers a promise when the client must catch up first; it always resolves. */
  write(frames: string): Promise<void> | undefined;
  /** Flushes and ends the response. */
  end(): void;
}

const flushAtLength = 32_768;
/** The first bytes: proxies and clients see at once that the stream is open, and wait a second before coming back. */
const opening = 'retry: 1000\n\n';

const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

export function openSse(response: ServerResponse, options: SseOptions): SseWriter {
  let buffer = opening;
  let scheduled: NodeJS.Immediate | undefined;
  let blocked: Promise<void> | undefined;
  let wroteSinceBeat = true;

  function waitForDrain(): Promise<void> {
    return new Promise((resolve) => {
      const stalled = setTimeout(() => response.destroy(), options.stallLimitMs);
      const go = () => {
        clearTimeout(stalled);
        response.off('drain', go);
        response.off('close', go);
        blocked = undefined;
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
  }

  function flush(): void {
    clearImmediate(scheduled);
    scheduled = undefined;
    if (buffer === '' || response.destroyed) return;
    const chunk = buffer;
    buffer = '';
    wroteSinceBeat = true;
    if (!response.write(chunk)) blocked ??= waitForDrain();
  }

  const heartbeat = setInterval(() => {
    if (!wroteSinceBeat && !blocked) response.write(':\n\n');
    wroteSinceBeat = false;
  }, options.heartbeatMs);
  heartbeat.unref();
  response.once('close', () => clearInterval(heartbeat));
  response.writeHead(200, { ...sseHeaders, ...options.headers });
  flush();

  return {
    write(frames) {
      buffer += frames;
      if (buffer.length >= flushAtLength) flush();
      else scheduled ??= setImmediate(flush);
      return blocked;
    },
    end() {
      flush();
      clearInterval(heartbeat);
      response.end();
    },
  };
}
