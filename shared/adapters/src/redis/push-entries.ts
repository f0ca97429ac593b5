/**
 * Lua for whoever appends: `pushBehind` pushes entries behind event `lastSeq` of a story and answers whether that was its last. The answer to a push
 * tells the length, so no command is spent on looking first; what came to the wrong place is taken back before anything else happens.
 */
export const pushEntries = `
local function pushBehind(events, lastSeq, entries, first, last)
  for part = first, last, 1000 do
    local upTo = math.min(part + 999, last)
    if redis.call('RPUSH', events, unpack(entries, part, upTo)) ~= lastSeq + upTo - first + 1 then
      redis.call('LTRIM', events, 0, part - upTo - 2)
      return false
    end
  end
  return true
end
`;
