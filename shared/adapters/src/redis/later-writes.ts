/**
 * Lua for steps that are taken together: what no step of the same call reads is written once, behind the last of them. Most of what a command
 * costs within a function is the asking for it. Whoever looks from outside sees all of a call or nothing.
 */
export const laterWrites = `
local function newLater()
  return {byName = {}}
end
local function newWrite(later, name, command, key)
  local write = {command, key}
  later.byName[name], later[#later + 1] = write, write
  return write
end
local function addLater(later, key, score, member)
  local write = later.byName[key] or newWrite(later, key, 'ZADD', key)
  local count = #write
  write[count + 1], write[count + 2] = score, member
end
local function removeLater(later, key, member)
  local name = '-' .. key
  local write = later.byName[name] or newWrite(later, name, 'ZREM', key)
  write[#write + 1] = member
end
local function countLater(later, key, field, by)
  local name = field .. '+' .. key
  local write = later.byName[name]
  if not write then
    write = newWrite(later, name, 'HINCRBY', key)
    write[3], write[4] = field, 0
  end
  write[4] = write[4] + by
end
local function writeAll(later)
  for _, write in ipairs(later) do redis.call(unpack(write)) end
end
`;
