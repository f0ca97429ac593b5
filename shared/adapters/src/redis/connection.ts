/**
 * The two connections of a process to Redis, one for commands and one that only listens. Guarantees: every call has a deadline, a lost
 * connection is taken up again by itself, calls that wait for one are bounded in number, and failures of Redis reach callers as
 * `dependency_unavailable`. Commands whose answer was lost with the connection are sent again, so every script must do no harm when it is
 * run twice. A call that failed may still have been done. All that is sent in one turn of the event loop is written at once.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { InkwellError } from '@inkwell/contracts';
import { Redis, type RedisOptions } from 'ioredis';
import { WaitingLine } from './waiting-line.ts';

export type RedisLog = (message: string) => void;

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`; never logged. */
  url: string;
  /** Longest a call may take, waiting for a connection included. */
  deadlineMs: number;
  log: RedisLog;
}

export interface RedisConnection {
  readonly commands: Redis;
  readonly listener: Redis;
  /** Aborts when the store closes. */
  readonly closed: AbortSignal;
  /** Runs the call and translates its failure. */
  call<Value>(work: (commands: Redis) => Promise<Value>): Promise<Value>;
  /** Runs it once all that came in this turn of the event loop has been looked at, before what was written in it goes out. */
  atTurnEnd(work: () => void): void;
  close(): Promise<void>;
}

/** Longest a connection that is given up waits for the other side to agree. */
const giveUpMs = 200;

/** Longest a closing connection waits for answers. */
const goodbyeMs = 2000;
/** Shortest silence after a command for which a connection is given up. */
const shortestSilenceMs = 2000;
/** Most calls that wait while there is no connection, and most that wait for their answers. */
const mostWaiting = 1000;
const mostUnanswered = 20_000;

/** Errors Redis itself answers that are about its condition, not about our command. https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
const conditions = /^(OOM|READONLY|LOADING|MISCONF|BUSY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|NOAUTH|NOPERM)\b/;

/** Throws an Error worded for the operator when Redis doesn't answer or would throw away what it was given. */
export async function connectRedis({ url, deadlineMs, log }: RedisConnectionOptions): Promise<RedisConnection> {
  const options: RedisOptions = {
    commandTimeout: deadlineMs,
    connectTimeout: deadlineMs,
    // A connection may die without a word, and would then swallow all that is asked of it for a quarter of an hour.
    socketTimeout: Math.max(deadlineMs, shortestSilenceMs),
    disconnectTimeout: giveUpMs,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, 1000),
  };
  const commands = new Redis(url, options);
  const listener = new Redis(url, options);
  for (const redis of [commands, listener]) redis.on('error', (error) => log(`redis: ${error.message}`));
  try {
    await Promise.all([checkServer(commands, log), listener.ping()]);
  } catch (error) {
    for (const redis of [commands, listener]) redis.disconnect();
    throw new Error(`Redis at ${new URL(url).host} cannot be used: ${reasonOf(error)}. Check REDIS_URL.`);
  }
  const closing = new AbortController();
  const calls = new Calls(commands, deadlineMs);
  return {
    commands,
    listener,
    closed: closing.signal,
    async call(work) {
      if (closing.signal.aborted) throw closedError();
      try {
        return await calls.make(work);
      } catch (error) {
        throw translate(error);
      }
    },
    atTurnEnd: (work) => calls.atTurnEnd(work),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      calls.refuseWaiting(closedError());
      await Promise.all([commands, listener].map(hangUp));
    },
  };
}

/** Makes calls when there is a connection, in the order they came. */
class Calls {
  readonly #redis: Redis;
  readonly #deadlineMs: number;
  readonly #line = new WaitingLine(mostWaiting);
  #unanswered = 0;
  #corked: Redis['stream'] | undefined;
  #turnEndWorks: (() => void)[] = [];
  #turnEnds = false;

  constructor(redis: Redis, deadlineMs: number) {
    this.#redis = redis;
    this.#deadlineMs = deadlineMs;
    redis.on('ready', () => this.#line.admitAll());
  }

  async make<Value>(work: (redis: Redis) => Promise<Value>): Promise<Value> {
    if (this.#redis.status === 'ready' && this.#line.isEmpty) return this.#send(work);
    const deadline = performance.now() + this.#deadlineMs;
    await this.#line.join(this.#deadlineMs);
    return beforeDeadline(this.#send(work), deadline);
  }

  refuseWaiting(error: Error): void {
    this.#line.refuseAll(error);
  }

  async #send<Value>(work: (redis: Redis) => Promise<Value>): Promise<Value> {
    if (this.#unanswered >= mostUnanswered) throw new Error('Too many calls wait for their answers.');
    this.#unanswered++;
    this.#cork();
    try {
      return await work(this.#redis);
    } finally {
      this.#unanswered--;
    }
  }

  atTurnEnd(work: () => void): void {
    this.#turnEndWorks.push(work);
    this.#endTurnLater();
  }

  #endTurnLater(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#turnEnds = false;
    const works = this.#turnEndWorks;
    this.#turnEndWorks = [];
    for (const work of works) work();
    this.#uncork();
  }

  /** Holds what is written until all that came in this turn has been looked at, so that it goes out in one system call. */
  #cork(): void {
    const { stream } = this.#redis;
    if (this.#corked === stream) return;
    this.#uncork();
    this.#corked = stream;
    stream.cork();
    this.#endTurnLater();
  }

  #uncork(): void {
    this.#corked?.uncork();
    this.#corked = undefined;
  }
}

async function beforeDeadline<Value>(work: Promise<Value>, deadline: number): Promise<Value> {
  const left = new AbortController();
  const late = wait(Math.max(0, deadline - performance.now()), undefined, { signal: left.signal }).then(() => {
    throw new Error('No answer came in time.');
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    left.abort();
  }
}

/** Lets calls under way finish, but not for long: the server may be gone without having said so. */
async function hangUp(redis: Redis): Promise<void> {
  const goodbye = redis.quit().catch(() => 'gone already');
  await Promise.race([goodbye, wait(goodbyeMs, undefined, { ref: false })]);
  redis.disconnect();
}

/** A Redis that evicts could forget a fence or an event that was acknowledged: refused. One without a file is worth a warning. */
async function checkServer(redis: Redis, log: RedisLog): Promise<void> {
  const [server, memory, persistence] = await Promise.all(
    ['server', 'memory', 'persistence'].map((section) => redis.info(section)),
  );
  const version = /redis_version:(\S+)/.exec(server ?? '')?.[1] ?? 'unknown';
  if (Number.parseInt(version, 10) < 7) throw new Error(`its version is ${version}, and functions need 7 or newer`);
  const policy = /maxmemory_policy:(\S+)/.exec(memory ?? '')?.[1];
  if (policy !== undefined && policy !== 'noeviction')
    throw new Error(`its maxmemory-policy is ${policy}, which throws away acknowledged events; set it to noeviction`);
  if (/aof_enabled:0/.test(persistence ?? ''))
    log('redis: the append-only file is off; streams and leases will not survive its restart (set appendonly yes)');
}

export function closedError(): InkwellError {
  return new InkwellError('shutting_down', { message: 'The stream store is closed.' });
}

function translate(error: unknown): unknown {
  const isOurMistake = error instanceof Error && error.name === 'ReplyError' && !conditions.test(error.message);
  if (isOurMistake || error instanceof InkwellError || error instanceof TypeError) return error;
  return new InkwellError('dependency_unavailable', {
    message: 'The stream store is not available.',
    retryAfterSeconds: 5,
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
