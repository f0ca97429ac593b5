/**
 * Whether a request without a key comes straight from this machine: what a person with a shell here, or a Prometheus beside us, may look at
 * without one. A request that a proxy passed on is never local, since the proxy speaks for anybody.
 */
import type { IncomingMessage } from 'node:http';

const loopback = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/;
const passedOn = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via'];
const credentials = ['authorization', 'x-api-key'];

export function isLocalMonitor(request: IncomingMessage): boolean {
  const { headers, socket } = request;
  return (
    loopback.test(socket.remoteAddress ?? '') &&
    ![...passedOn, ...credentials].some((name) => headers[name] !== undefined)
  );
}
