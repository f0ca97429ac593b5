/**
 * Appends of one turn of the event loop go to Redis as one call: a worker writes the new text of all its jobs at once, and each job's share of
 * a call costs a fraction of a call. Each append is still checked, written and answered for itself; only their processes that follow are told
 * together. A call that fails has failed for all its appends, and some of them may have been done.
 */
import type { RedisConnection } from './connection.ts';
import { markLength } from './mark.ts';
import { script } from './script.ts';
import { tellFollowers } from './story-news.ts';

export interface Append {
  /** Names of the job's hash and of its events. */
  job: string;
  events: string;
  fence: number;
  afterSeq: number;
  terminal: boolean;
  /** Each begins with the append's mark. */
  entries: readonly string[];
}

/** Appends and characters of one call: Redis does nothing else meanwhile. */
const mostAppends = 128;
const mostCharacters = 262_144;

/**
 * Answers a digit per append: 1, 0 when stale, or 2 when what is in the keys is no story. Entries are pushed before the place is looked at, since the
 * answer tells the length: it costs one step less, and what turns out to be in the wrong place is taken back before anything else happens.
 * KEYS: job and events of each. ARGV: two, then of each append four and its entries.
 */
const appendAll = script(
  `
local retention = ARGV[1]
local told = newTold(ARGV[2])
local at, answers = 3, {}
for index = 1, #KEYS / 2 do
  local last = at + 3 + ARGV[at + 3]
  local done, answer = pcall(appendOne, told, KEYS[2 * index - 1], KEYS[2 * index], at, last, ARGV, retention)
  answers[index] = done and answer or '2'
  at = last + 1
end
tellAll(told)
return table.concat(answers)
`,
  {
    prelude: `${tellFollowers}
local function isRepeated(events, place, entry)
  local there = redis.call('LINDEX', events, place)
  return there and string.sub(there, 1, ${markLength}) == string.sub(entry, 1, ${markLength})
end
local function appendOne(told, job, events, at, last, args, retention)
  local call, lastSeq, terminal, first = redis.call, args[at + 1], args[at + 2], at + 4
  local from = lastSeq - (last - first + 1)
  local known = call('HMGET', job, 'fence', 'ended', 'state', 'followers')
  local isOpen = (known[1] or '0') == args[at] and not known[2]
  if last < first then return isOpen and call('LLEN', events) == from and '1' or '0' end
  if not isOpen then return isRepeated(events, from, args[first]) and '1' or '0' end
  for part = first, last, 1000 do
    local upTo = math.min(part + 999, last)
    local length = call('RPUSH', events, unpack(args, part, upTo))
    if length ~= from + upTo - first + 1 then
      call('LTRIM', events, 0, part - upTo - 2)
      return isRepeated(events, from, args[first]) and '1' or '0'
    end
  end
  if terminal == '1' then call('HSET', job, 'ended', 1) end
  if not known[3] then
    call('PEXPIRE', job, retention)
    call('PEXPIRE', events, retention)
  end
  tell(told, job, known[4], lastSeq, terminal, args, first, last)
  return '1'
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
      const { length } = append.entries;
      args.push(append.fence, append.afterSeq + length, append.terminal ? 1 : 0, length);
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
