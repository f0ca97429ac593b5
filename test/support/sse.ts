/**
 * A client's view of a job's event stream: `collectStream` behaves as a patient browser does: when the
 * connection breaks it comes back with Last-Event-ID.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';

export interface CollectedStream {
  events: { id: number; type: string; data: Record<string, unknown> }[];
  reconnects: number;
}

/**
 * Follows a job's events to the terminal one through any number of broken connections. Throws on a 4xx, on a repeated or skipped number,
 * and when `signal` aborts.
 */
export async function collectStream(
  url: () => string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<CollectedStream> {
  const events: CollectedStream['events'] = [];
  let reconnects = -1;
  for (;;) {
    signal.throwIfAborted();
    reconnects++;
    const last = events.at(-1);
    try {
      const resume: Record<string, string> = last ? { 'last-event-id': String(last.id) } : {};
      const response = await fetch(url(), { headers: { ...headers, ...resume }, signal });
      if (response.status >= 400 && response.status < 500)
        throw new RefusedStream(`${response.status} ${await response.text()}`);
      if (response.ok && response.body)
        for await (const event of response.body
          .pipeThrough(new TextDecoderStream())
          .pipeThrough(new EventSourceParserStream())) {
          const id = Number(event.id);
          if (id !== (events.at(-1)?.id ?? 0) + 1)
            throw new RefusedStream(`event ${event.id} after ${events.at(-1)?.id}`);
          events.push({ id, type: String(event.event), data: JSON.parse(event.data) });
        }
    } catch (error) {
      if (error instanceof RefusedStream || signal.aborted) throw error;
    }
    if (events.at(-1)?.data.job) return { events, reconnects };
    await delay(50, undefined, { signal });
  }
}

class RefusedStream extends Error {}

/** The text of one choice, from its deltas. */
export function textOf(events: CollectedStream['events'], index = 0): string {
  return events
    .filter((event) => event.type === 'job.delta' && event.data.index === index)
    .map((event) => event.data.delta)
    .join('');
}
