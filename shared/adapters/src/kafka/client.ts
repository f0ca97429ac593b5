/** How we talk to Kafka in general: short timeouts, few retries of kafkajs's own (each room repeats what it may), failures as the table's errors. */
import { InkwellError } from '@inkwell/contracts';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import './kafkajs-repairs.ts';

export interface KafkaLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: KafkaLog = { warn: () => {}, error: () => {} };

export interface KafkaServers {
  /** `host:port` of some brokers. */
  brokers: readonly string[];
  /** Whether they are spoken to over TLS; their certificates must lead to an authority Node knows (`NODE_EXTRA_CA_CERTS` adds one). */
  tls?: boolean;
  /** Who we are; never logged. */
  credentials?: KafkaCredentials;
}

export interface KafkaCredentials {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  username: string;
  password: string;
}

/** @param requestTimeoutMs after this long without an answer a connection may be dead: whoever asked takes a new one */
export function createClient({ brokers, tls, credentials }: KafkaServers, requestTimeoutMs = 5000): Kafka {
  return new Kafka({
    clientId: 'inkwell',
    brokers: [...brokers],
    ssl: tls === true,
    ...(credentials && { sasl: credentials as SASLOptions, authenticationTimeout: 3000 }),
    connectionTimeout: 1000,
    requestTimeout: requestTimeoutMs,
    retry: { initialRetryTime: 30, maxRetryTime: 500, retries: 3 },
    // Whatever goes wrong reaches us as an error, and we say it in our own log.
    logLevel: logLevel.NOTHING,
  });
}

export function unavailable(cause: unknown): InkwellError {
  return new InkwellError('dependency_unavailable', {
    message: 'The queue is not available.',
    retryAfterSeconds: 5,
    cause,
  });
}

export function closed(): InkwellError {
  return new InkwellError('shutting_down', { message: 'The queue is closed.' });
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
