-- Who is subscribed to topics and wildcards. ARGV: now_ms, then names.
-- Returns {name, {group, {connections}}...} for every name that has any; empty groups are forgotten on the way.
local now = ARGV[1]
local found = {}
for i = 2, #ARGV do
  local name, entry = ARGV[i], {ARGV[i]}
  for _, group in ipairs(redis.call('SMEMBERS', 'groups:' .. name)) do
    local key = 'group:' .. name .. '|' .. group
    local members = redis.call('ZRANGEBYSCORE', key, '(' .. now, '+inf')
    if #members > 0 then
      entry[#entry + 1] = {group, members}
    else
      redis.call('DEL', key)
      redis.call('SREM', 'groups:' .. name, group)
    end
  end
  if #entry > 1 then found[#found + 1] = entry end
end
return found
