/**
 * Writes server-sent events to one client: what is written within a turn of the event loop leaves as one chunk, a client that doesn't read
 * slows its producer down and is dropped after a while, and silence is broken by comments. Knows nothing of jobs. One object per stream,
 * whose timers are shared, since there may be tens of thousands that wait.
 */
import type { ServerResponse } from 'node:http';
import { letGoOfHead } from '../http/let-go.ts';
import type { Heartbeat } from './heartbeat.ts';

export interface SseOptions {
  headers?: Readonly<Record<string, string>>;
  heartbeat: Heartbeat;
  stallLimitMs: number;
}

const flushAtLength = 32_768;
/** The first bytes: proxies and clients see at once that the stream is open, and wait a second before coming back. */
const opening = 'retry: 1000\n\n';
const comment = ':\n\n';

const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/** Streams written to in this turn of the event loop. */
let written: SseWriter[] = [];

function flushWritten(): void {
  const streams = written;
  written = [];
  for (const stream of streams) stream.flush();
}

export class SseWriter {
  readonly #response: ServerResponse;
  readonly #heartbeat: Heartbeat;
  readonly #part: number;
  readonly #stallLimitMs: number;
  #buffer = '';
  #scheduled = false;
  #wroteSinceBeat = true;
  #blocked: Promise<void> | undefined;

  constructor(response: ServerResponse, { headers, heartbeat, stallLimitMs }: SseOptions) {
    this.#response = response;
    this.#heartbeat = heartbeat;
    this.#stallLimitMs = stallLimitMs;
    this.#part = heartbeat.join(this);
    response.on('close', () => heartbeat.leave(this, this.#part));
    response.writeHead(200, { ...sseHeaders, ...headers });
    response.write(opening);
    letGoOfHead(response);
  }

  /** Queues complete frames. Answers a promise when the client must catch up first; it always resolves. */
  write(frames: string): Promise<void> | undefined {
    this.#buffer += frames;
    if (this.#buffer.length >= flushAtLength) this.flush();
    else this.#schedule();
    return this.#blocked;
  }

  /** Flushes and ends the response. */
  end(): void {
    this.flush();
    this.#heartbeat.leave(this, this.#part);
    this.#response.end();
  }

  /** Breaks off: what was written must not look whole. */
  cut(): void {
    this.#response.destroy();
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#buffer === '' || this.#response.destroyed) return;
    const chunk = this.#buffer;
    this.#buffer = '';
    this.#wroteSinceBeat = true;
    if (!this.#send(chunk)) this.#blocked ??= this.#waitForDrain();
  }

  beat(): void {
    if (!this.#wroteSinceBeat && !this.#blocked) this.#send(comment);
    this.#wroteSinceBeat = false;
  }

  /**
   * As one chunk (RFC 9112, section 7.1) and in one piece: Node would make four pieces of it, for some two of the twenty microseconds that
   * an event takes here. False when the client must catch up first.
   */
  #send(frames: string): boolean {
    const response = this.#response;
    const { socket } = response;
    // A response that waits behind another on its connection has no socket yet; one for HTTP/1.0 has no chunks.
    if (socket === null || !response.chunkedEncoding) return response.write(frames);
    const bytes = Buffer.byteLength(frames);
    // Pure ASCII, as most is, need not be encoded.
    return socket.write(`${bytes.toString(16)}\r\n${frames}\r\n`, bytes === frames.length ? 'latin1' : 'utf8');
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (written.length === 0) setImmediate(flushWritten);
    written.push(this);
  }

  #waitForDrain(): Promise<void> {
    const response = this.#response;
    const writable = response.socket ?? response;
    return new Promise((resolve) => {
      const stalled = setTimeout(() => response.destroy(), this.#stallLimitMs);
      const go = () => {
        clearTimeout(stalled);
        writable.off('drain', go);
        response.off('close', go);
        this.#blocked = undefined;
        resolve();
      };
      writable.on('drain', go);
      response.on('close', go);
    });
  }
}
