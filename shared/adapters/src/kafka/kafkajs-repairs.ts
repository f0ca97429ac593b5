/**
 * What is repaired in kafkajs itself, which is pinned and no longer maintained. Every connection looks for requests that wait because of throttling,
 * and sets a timer for its next look also when none wait: with a time in the past, so it wakes its process a thousand times a second for as
 * long as it lives. Here it sets one only if a request waits; one that comes later sets its own.
 */
import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
const schedule = prototype.scheduleCheckPendingRequests;

prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};
