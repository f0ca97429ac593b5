/**
 * Transport of job headers from gateways to workers; knows nothing of models or tokens. Promises: `publish` resolves when the message is
 * durable; a message is delivered until it is acknowledged or dead-lettered, so at least once, and again if its consumer dies. Publishing
 * a key that a consumer holds changes nothing. Not promised: order (the worker's fair queue decides what runs next); that a repetition
 * published before the acknowledgement doesn't come once more behind it; that a consumer which was killed, rather than left, isn't repeated in
 * what it settled last. The job's record tells a worker that there is nothing left to do.
 */
import type { JobKey, JobMessage } from '@inkwell/contracts';

export interface Delivery {
  readonly message: JobMessage;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Done with: never delivered again. */
  ack(): Promise<void>;
  /** Deliver again after `delayMs`. */
  retry(reason: string, delayMs: number): Promise<void>;
  /** Move to the dead letters, with the reason. */
  deadLetter(reason: string): Promise<void>;
}

export interface ConsumeOptions {
  workerId: string;
  /** Called once per delivery; everything waiting is delivered, the consumer keeps the headers and chooses. Must not throw. */
  onDelivery(delivery: Delivery): void;
  /** Somebody else has the delivery now; settling it changes nothing any more. A job that only waits for its turn is to be dropped. */
  onTakenBack(delivery: Delivery): void;
  /** A job was cancelled: drop it now. A hint only; the fence is what protects. */
  onCancel(key: JobKey): void;
  signal: AbortSignal;
}

export interface DeadLetter {
  message: JobMessage;
  reason: string;
  attempts: number;
  /** Unix milliseconds. */
  at: number;
}

export interface JobBus {
  publish(message: JobMessage): Promise<void>;
  /** Resolves once the consumer receives; it goes on until the signal aborts. */
  consume(options: ConsumeOptions): Promise<void>;
  /** Tells every worker that a job was cancelled. Best effort. */
  announceCancel(key: JobKey): Promise<void>;
  /** Newest first. */
  deadLetters(limit: number): Promise<DeadLetter[]>;
  /** Resolves when the bus answers; costs it next to nothing. */
  ping(): Promise<void>;
}
