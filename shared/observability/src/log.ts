/**
 * One JSON log per process, on stderr so that stdout stays for people and pipes. Anything that could be a credential is cut out by name
 * before it is written, and of an error only what says what broke: drivers hang the command they sent or the document they wrote on theirs.
 * Call sites still must not log bodies or headers whole.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino';

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
  /** Default: stderr. */
  to?: DestinationStream;
}

interface LoggedError {
  type: string;
  message: string;
  code?: string | number;
  stack?: string;
  cause?: LoggedError;
}

/** Causes of causes that are told. */
const mostCauses = 4;

function toLogged(thrown: unknown, causes = mostCauses): LoggedError {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: 'something that is no Error was thrown' };
  const { name, message, stack, cause } = thrown;
  const { code } = thrown as { code?: unknown };
  return {
    type: name,
    message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined || causes === 0 ? {} : { cause: toLogged(cause, causes - 1) }),
  };
}

export function createLog({ level, name, to }: LogOptions): Logger {
  return pino(
    {
      name,
      level,
      redact: { paths: secretPaths, censor: '[redacted]' },
      serializers: { err: (thrown: unknown) => toLogged(thrown) },
    },
    to ?? destination({ dest: 2, sync: true }),
  );
}
