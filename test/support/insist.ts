/** What a well-behaved client does with a 503: it comes again after the time it was told. Any other answer is the answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

export async function insist(send: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await send();
    if (response.status !== 503) return response;
    const seconds = Number(response.headers.get('retry-after'));
    expect(seconds, await response.text()).toBeGreaterThan(0);
    await delay(seconds * 1000);
  }
}
