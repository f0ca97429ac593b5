/**
 * Appends to stories, many in one call: a worker writes the new text of all its jobs at once. Processes that follow are told of all that one call
 * appends together.
 */
import type { RedisConnection } from './connection.ts';
import { markLength } from './mark.ts';
import { pushEntries } from './push-entries.ts';
import { readDone, StepLine, stepScript } from './step-line.ts';
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

/**
 * Answers 1, or 0 when stale.
 * KEYS: job, events. ARGV: fence, last number, 1 when terminal, then the entries. For all: retention and the prefix of the channels.
 */
const appendStep = stepScript({
  prelude: `${tellFollowers}${pushEntries}
local function isRepeated(events, place, entry)
  local there = redis.call('LINDEX', events, place)
  return there and string.sub(there, 1, ${markLength}) == string.sub(entry, 1, ${markLength})
end
`,
  begin: `
local retention, feeds = string.match(ARGV[1], '^(%d+) (.*)$')
shared = newTold(feeds)
shared.retention = retention
`,
  step: `
local call, job, events = redis.call, KEYS[key + 1], KEYS[key + 2]
local lastSeq, terminal, first = ARGV[at + 1], ARGV[at + 2], at + 3
local from = lastSeq - (last - first + 1)
local known = call('HMGET', job, 'fence', 'ended', 'state', 'followers')
local isOpen = (known[1] or '0') == ARGV[at] and not known[2]
if last < first then return isOpen and call('LLEN', events) == from and '1' or '0' end
if not isOpen then return isRepeated(events, from, ARGV[first]) and '1' or '0' end
if not pushBehind(events, from, ARGV, first, last) then return isRepeated(events, from, ARGV[first]) and '1' or '0' end
if terminal == '1' then call('HSET', job, 'ended', 1) end
if not known[3] then
  call('PEXPIRE', job, shared.retention)
  call('PEXPIRE', events, shared.retention)
end
tell(shared, job, known[4], lastSeq, terminal, ARGV, first, last)
return '1'
`,
  end: `
tellAll(shared)
answers = table.concat(answers)
`,
});

export class AppendLine {
  readonly #line: StepLine<'ok' | 'stale'>;

  /** @param feeds prefix of the channels of processes that follow */
  constructor(connection: RedisConnection, feeds: string, retentionMs: number) {
    const shared = `${retentionMs} ${feeds}`;
    this.#line = new StepLine({ connection, script: appendStep, shared, read: readDone });
  }

  append({ job, events, fence, afterSeq, terminal, entries }: Append): Promise<'ok' | 'stale'> {
    const args: (string | number)[] = [fence, afterSeq + entries.length, terminal ? 1 : 0];
    for (const entry of entries) args.push(entry);
    return this.#line.take([job, events], args);
  }
}
