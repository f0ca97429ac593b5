/**
 * The least a node:http server does for many event streams: sends a head and keeps the response. Told over the channel to its parent it
 * writes events of its own, of the shape ours have: no store, no bus between, no features.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atRate } from '../pace.ts';

const path = /^\/v1\/jobs\/s(\d+)\/events/;
const responses = new Map<number, ServerResponse>();
let seq = 1;

const server = createServer((request, response) => {
  const number = Number(path.exec(request.url ?? '')?.[1]);
  responses.set(number, response);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('retry: 1000\n\n');
});

async function write(rate: number, seconds: number): Promise<{ sent: number; failed: number }> {
  const open = [...responses.entries()];
  const sent = await atRate(rate, seconds, (index, at) => {
    const [number, response] = open[index % open.length]!;
    if (index % open.length === 0) seq++;
    response.write(
      `id: ${seq}\nevent: job.delta\ndata: {"type":"job.delta","sequence_number":${seq},"job_id":"s${number}","created_at":${at / 1000},"index":0,"delta":" the","finish_reason":null}\n\n`,
    );
  });
  return { sent, failed: 0 };
}

server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});

process.on('message', ({ rate, seconds }: { rate: number; seconds: number }) => {
  void write(rate, seconds).then((result) => process.send?.(result));
});
