/** Holds many raw event streams and measures how late events are. Told what to do over the channel to its parent. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { testKey } from '../support/product-process.ts';
import { wallMs } from './client.ts';
import { quantile } from './statistics.ts';

const deltaMark = '\nevent: job.delta\n';
const timeMark = '"created_at":';
const shared = Buffer.allocUnsafe(1 << 16);
let lags: number[] = [];

function open({ hostname, port }: URL, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let kept: string | undefined;
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: shared,
        callback: (length) => {
          if (kept === undefined) resolve();
          kept = read((kept ?? '') + shared.toString('latin1', 0, length));
          return true;
        },
      },
    });
    socket.on('error', reject);
    socket.on('connect', () =>
      socket.write(
        `GET /v1/jobs/s${index}/events?starting_after=1 HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${testKey}\r\naccept: text/event-stream\r\n\r\n`,
      ),
    );
  });
}

/** Counts whole events; answers what is left of an unfinished one. Thousands come in a row, so no object is made for any. */
function read(text: string): string {
  let from = 0;
  for (;;) {
    const end = text.indexOf('\n\n', from);
    if (end === -1) return text.slice(from);
    const kind = text.indexOf(deltaMark, from);
    if (kind !== -1 && kind < end) {
      const time = text.indexOf(timeMark, kind) + timeMark.length;
      lags.push(wallMs() - Number.parseFloat(text.slice(time, time + 20)) * 1000);
    }
    from = end + 2;
  }
}

async function openAll(url: URL, count: number): Promise<void> {
  for (let from = 0; from < count; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, count - from) }, (_, index) => open(url, from + index)));
}

/** Waits until nothing more comes, or everything has. */
async function settled(expected: number): Promise<void> {
  for (let before = -1; lags.length < expected && lags.length !== before; ) {
    before = lags.length;
    await delay(1000);
  }
}

process.on('message', async (message: { command: string; url: string; streams: number; expected: number }) => {
  try {
    if (message.command === 'open') await openAll(new URL(message.url), message.streams);
    if (message.command === 'reset') lags = [];
    if (message.command === 'read') await settled(message.expected);
    process.send?.({ count: lags.length, p50: quantile(lags, 0.5), p99: quantile(lags, 0.99) });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
