/**
 * One JSON log per process, on stderr so that stdout stays for people and pipes. Anything that could be a credential is cut out by name
 * before it is written; call sites still must not log bodies or headers whole.
 */
import { destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const secretPaths = [
  'authorization',
  'cookie',
  'apiKey',
  'api_key',
  'key',
  'password',
  'secret',
  'token',
  'x-api-key',
].flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

export interface LogOptions {
  level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Which process speaks: gateway, worker, engine … */
  name: string;
}

export function createLog(options: LogOptions): Logger {
  return pino(
    { name: options.name, level: options.level, redact: { paths: secretPaths, censor: '[redacted]' } },
    destination({ dest: 2, sync: true }),
  );
}
