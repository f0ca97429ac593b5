/**
 * One Lua script: Redis runs it as one step, so what it checks is still so when it writes. The text is sent each time instead of its hash:
 * a server that doesn't know the hash (restarted, failed over) would refuse it, and calls behind it would overtake it.
 */
import type { Redis } from 'ioredis';

export interface Script {
  /** The answer is what the text returns; each caller knows the shape. */
  run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

export function script(lua: string): Script {
  return { run: (redis, keys, args) => redis.eval(lua, keys.length, ...keys, ...args) };
}

/** Lua: the server's clock in milliseconds. All processes share it, so their own clocks need not agree. */
export const serverClock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;
