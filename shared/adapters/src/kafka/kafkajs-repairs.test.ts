/** kafkajs's connections set a timer only while a request waits, and what waits is still sent. */
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import './kafkajs-repairs.ts';

interface Queue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  maybeThrottle(ms: number): void;
  push(request: { entry: object; expectResponse: boolean; sendRequest(): void }): void;
  destroy(): void;
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (of: object) => Queue;
const queue = () =>
  new RequestQueue({
    maxInFlightRequests: null,
    requestTimeout: 1000,
    enforceRequestTimeout: false,
    clientId: 'test',
    broker: 'test',
    logger: { debug: () => {} },
    isConnected: () => true,
  });

it('has no timer when nothing waits', () => {
  const idle = queue();
  idle.checkPendingRequests();
  expect(idle.throttleCheckTimeoutId).toBeNull();
});

it('sends what waited for a throttle when that is over', async () => {
  const throttled = queue();
  throttled.maybeThrottle(30);
  const sent = Promise.withResolvers<void>();
  const entry = { correlationId: 1, resolve: () => sent.resolve(), reject: (error: unknown) => sent.reject(error) };
  throttled.push({ entry, expectResponse: false, sendRequest: () => {} });
  expect(throttled.throttleCheckTimeoutId).not.toBeNull();
  await sent.promise;
  await new Promise(setImmediate);
  expect(throttled.throttleCheckTimeoutId).toBeNull();
  throttled.destroy();
});
