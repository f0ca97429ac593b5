/**
 * Appends of one turn of the event loop go to Redis as one call: a worker writes the new text of all its jobs at once, and each job's share of
 * a call costs a fraction of a call. Each append is still checked, written and answered for itself; only their processes that follow are told
 * together. A call that fails has failed for all its appends, and some of them may have been done.
 */
import type { RedisConnection } from './connection.ts';
import { script } from './script.ts';
import { tellFollowers } from './story-news.ts';

export interface Append {
  /** Names of the job's hash and of its events. */
  job: string;
  events: string;
  fence: number;
  afterSeq: number;
  mark: string;
  terminal: boolean;
  entries: readonly string[];
}

/** Appends and characters of one call: Redis does nothing else meanwhile. */
const mostAppends = 128;
const mostCharacters = 262_144;

/**
 * Answers a digit per append: 1, 0 when stale, or 2 when what is in the keys is no story. KEYS: job and events of each.
 * ARGV: two, then of each append five and its entries.
 */
const appendAll = script(
  `
local retention, feeds = unpack(ARGV, 1, 2)
local told = newTold(feeds)
local at, answers = 3, {}
for index = 1, #KEYS / 2 do
  local last = at + 4 + ARGV[at + 4]
  local done, answer = pcall(appendOne, told, KEYS[2 * index - 1], KEYS[2 * index], at, last, ARGV, retention)
  answers[index] = done and answer or 2
  at = last + 1
end
tellAll(told)
return table.concat(answers)
`,
  {
    prelude: `${tellFollowers}
local function appendOne(told, job, events, at, last, args, retention)
  local fence, afterSeq, mark, terminal, count = unpack(args, at, at + 4)
  local length = redis.call('LLEN', events)
  local from = tonumber(afterSeq)
  if length > from and last > at + 4 then
    local entry = redis.call('LINDEX', events, afterSeq)
    if entry and string.sub(entry, 1, #mark) == mark then return 1 end
  end
  local newest, ended, state, followers = unpack(redis.call('HMGET', job, 'fence', 'ended', 'state', 'followers'))
  if (newest or '0') ~= fence or ended or length ~= from then return 0 end
  if last == at + 4 then return 1 end
  for first = at + 5, last, 1000 do redis.call('RPUSH', events, unpack(args, first, math.min(first + 999, last))) end
  if terminal == '1' then redis.call('HSET', job, 'ended', 1) end
  if not state then
    redis.call('PEXPIRE', job, retention)
    redis.call('PEXPIRE', events, retention)
  end
  tell(told, job, followers, from + count, terminal, args, at + 5, last)
  return 1
end
`,
  },
);

interface Waiting {
  append: Append;
  resolve(result: 'ok' | 'stale'): void;
  reject(error: unknown): void;
}

export class AppendLine {
  readonly #connection: RedisConnection;
  readonly #feeds: string;
  readonly #retentionMs: number;
  #waiting: Waiting[] = [];
  #characters = 0;

  /** @param feeds prefix of the channels of processes that follow */
  constructor(connection: RedisConnection, feeds: string, retentionMs: number) {
    this.#connection = connection;
    this.#feeds = feeds;
    this.#retentionMs = retentionMs;
  }

  append(append: Append): Promise<'ok' | 'stale'> {
    return new Promise((resolve, reject) => {
      // Not before this turn's promises have run.
      if (this.#waiting.length === 0) process.nextTick(() => this.#send());
      this.#waiting.push({ append, resolve, reject });
      for (const entry of append.entries) this.#characters += entry.length;
      if (this.#waiting.length >= mostAppends || this.#characters >= mostCharacters) this.#send();
    });
  }

  #send(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    const names: string[] = [];
    const args: (string | number)[] = [this.#retentionMs, this.#feeds];
    for (const { append } of waiting) {
      names.push(append.job, append.events);
      args.push(append.fence, append.afterSeq, append.mark, append.terminal ? 1 : 0, append.entries.length);
      for (const entry of append.entries) args.push(entry);
    }
    this.#connection
      .call((redis) => appendAll.run(redis, names, args))
      .then(
        (answer) => settle(waiting, String(answer)),
        (error: unknown) => {
          for (const { reject } of waiting) reject(error);
        },
      );
  }
}

function settle(waiting: readonly Waiting[], answers: string): void {
  for (const [index, { append, resolve, reject }] of waiting.entries()) {
    if (answers[index] === '1') resolve('ok');
    else if (answers[index] === '0') resolve('stale');
    else reject(new Error(`What is at ${append.events} is no story.`));
  }
}
