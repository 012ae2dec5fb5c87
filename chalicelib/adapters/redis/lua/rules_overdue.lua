-- Topics of which some rule finds by now that they are stale. ARGV: now, most.
-- Returns {topic, seen, from_s, to_s} each: its rules that wait so long are to be looked at. (Keys: rules_keep.lua.)
local now = tonumber(ARGV[1])
local found = {}
local due = redis.call('ZRANGE', 'stale', '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
for i = 1, #due, 2 do
  local topic = due[i]
  local known = redis.call('HMGET', 'figures:' .. topic, 'at', 'watched')
  local seen = tonumber(known[1] or known[2])
  local from = (tonumber(due[i + 1]) - seen) / 1000000
  found[#found + 1] = {topic, string.format('%.0f', seen), string.format('%.0f', from), string.format('%.0f', math.floor((now - seen) / 1000000))}
end
return found
