/**
 * One step of Lua, kept by the server as a function (FUNCTION LOAD, Redis 7): it runs as a whole, so what it checks is still so when it writes,
 * and it is on record with the data, so a restarted server still knows it. Its name says what is in it, so processes of different
 * versions don't meet. A server that has never seen it is taught it, and the calls that met that follow in their order.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

export interface Script {
  /** The answer is what the text returns; each caller knows the shape. All names of keys are in `keys`. */
  run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

export interface ScriptOptions {
  /** Lua that runs once, when the function is loaded: what it makes local can be used in the text. */
  prelude?: string;
  /** `allow-oom`: may run although the memory is full, because it only frees some. https://redis.io/docs/latest/develop/programmability/functions-intro/#function-flags */
  flags?: readonly ('no-writes' | 'allow-oom')[];
}

export function script(lua: string, { prelude = '', flags = [] }: ScriptOptions = {}): Script {
  const name = `inkwell_${createHash('sha256').update(`${prelude}\n${lua}\n${flags}`).digest('hex').slice(0, 20)}`;
  const flagList = flags.map((flag) => `'${flag}'`).join(', ');
  const library = `#!lua name=${name}
${prelude}
redis.register_function{function_name = '${name}', flags = {${flagList}}, callback = function(KEYS, ARGV)
${lua}
end}`;
  const teaching = new WeakMap<Redis, Promise<unknown>>();

  const teach = (redis: Redis): Promise<unknown> => {
    const begun = teaching.get(redis);
    if (begun !== undefined) return begun;
    const lesson = redis
      .call('FUNCTION', 'LOAD', library)
      .catch((error: unknown) => {
        if (!says(error, 'already exists')) throw error;
      })
      .finally(() => teaching.delete(redis));
    teaching.set(redis, lesson);
    return lesson;
  };

  return {
    async run(redis, keys, args) {
      const lesson = teaching.get(redis);
      if (lesson !== undefined) await lesson;
      try {
        return await redis.fcall(name, keys.length, ...keys, ...args);
      } catch (error) {
        if (!says(error, 'Function not found')) throw error;
      }
      await teach(redis);
      return redis.fcall(name, keys.length, ...keys, ...args);
    },
  };
}

function says(error: unknown, text: string): boolean {
  return error instanceof Error && error.message.includes(text);
}

/** Lua: the server's clock in milliseconds. All processes share it, so their own clocks need not agree. */
export const serverClock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;
