-- Leave groups. ARGV: connection, then topics or wildcards; none means all. Returns those that were left.
local connection = ARGV[1]
local subs = 'subs:' .. connection
local names = {}
if #ARGV > 1 then
  for i = 2, #ARGV do names[#names + 1] = ARGV[i] end
else
  names = redis.call('HKEYS', subs)
end
local left = {}
for _, name in ipairs(names) do
  local group = redis.call('HGET', subs, name)
  if group then
    local key = 'group:' .. name .. '|' .. group
    redis.call('ZREM', key, connection)
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', 'groups:' .. name, group) end
    redis.call('HDEL', subs, name)
    left[#left + 1] = name
  end
end
local ends = #left > 0 and tonumber(redis.call('HGET', 'conn:' .. connection, 'ends'))
if ends then redis.call('HINCRBY', 'active:subscriptions', math.floor(ends / 60000) + 1, -#left) end -- see active.lua
return left
