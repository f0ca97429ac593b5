/**
 * What whoever appends tells the processes that follow: for each story how far it is now and what is new, one line each. All that one call
 * has for a process goes there as one message.
 */
import type { JobEvent } from '@inkwell/contracts';
import { parseEvents } from './entry.ts';
import { markLength } from './mark.ts';

/** Longest that followers are told in full, in bytes; beyond it they read for themselves. */
const mostTold = 65_536;

/**
 * Lua for whoever appends: `tell` what is new of a job, then `tellAll`. Processes that don't listen any more are struck off; one that only
 * lost its connection gives its address again. An address whose number begins with 0 is told of nothing but the end. Arguments: the prefix of the channels; the job's hash, its followers, the last number, '1' when
 * that is the end, and where the entries are.
 */
export const tellFollowers = `
local function newTold(prefix)
  return {prefix = prefix, messages = {}}
end
local function eventsToTell(entries, first, last)
  if first == last and #entries[first] <= ${mostTold} then
    return '[' .. string.sub(entries[first], ${markLength + 1}) .. ']'
  end
  local events, bytes = {}, 0
  for index = first, last do
    events[#events + 1] = string.sub(entries[index], ${markLength + 1})
    bytes = bytes + #entries[index]
    if bytes > ${mostTold} then return '' end
  end
  return '[' .. table.concat(events, ',') .. ']'
end
local function addLine(told, process, job, line)
  local message = told.messages[process]
  if not message then
    message = {count = 0, lines = {}, jobs = {}}
    told.messages[process] = message
  end
  local count = message.count + 1
  message.count, message.lines[count], message.jobs[count] = count, line, job
end
local function tell(told, job, followers, lastSeq, terminal, entries, first, last)
  if not followers or followers == '' then return end
  local news
  for process, number in string.gmatch(followers, '([^ .]+)%.(%d+) ') do
    if string.byte(number) ~= 48 then
      news = news or ' ' .. lastSeq .. ' ' .. terminal .. ' ' .. eventsToTell(entries, first, last)
      addLine(told, process, job, number .. news)
    elseif terminal == '1' then
      addLine(told, process, job, number .. ' ' .. lastSeq .. ' 1 ' .. eventsToTell(entries, last, last))
    end
  end
end
local function strikeOff(job, process)
  local followers = redis.call('HGET', job, 'followers')
  if not followers then return end
  local listening = string.gsub(followers, '([^ .]+)(%.%d+ )', function(one)
    if one == process then return '' end
  end)
  redis.call('HSET', job, 'followers', listening)
end
local function tellAll(told)
  for process, message in pairs(told.messages) do
    if redis.call('PUBLISH', told.prefix .. process, table.concat(message.lines, '\\n')) == 0 then
      for _, job in ipairs(message.jobs) do strikeOff(job, process) end
    end
  end
end
`;

export interface StoryNews {
  /** The number by which the process knows the story. */
  number: number;
  lastSeq: number;
  ended: boolean;
  /** Empty when they are too large to be told. */
  events: readonly JobEvent[];
}

/** What stands before the events: never long, so the events themselves are looked at by the JSON parser alone. */
const headShape = /^(\d+) (\d+) ([01]) /;

/** JSON holds no line break, so each line is the news of one story. */
export function* readNews(message: string): Generator<StoryNews> {
  for (const line of message.split('\n')) {
    const head = headShape.exec(line);
    if (head === null) throw new Error('What was told of a story cannot be read.');
    const events = line.slice(head[0].length);
    yield {
      number: Number(head[1]),
      lastSeq: Number(head[2]),
      ended: head[3] === '1',
      events: events === '' ? [] : parseEvents(events),
    };
  }
}
