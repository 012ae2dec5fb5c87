-- A connection has ended: leave every group and leave a tombstone, which a late subscribe respects.
-- ARGV: tombstone_seconds, then connections. Returns the number that were known.
local known = 0
for i = 2, #ARGV do
  local connection = ARGV[i]
  local subs = 'subs:' .. connection
  redis.call('SET', 'tomb:' .. connection, '1', 'EX', ARGV[1])
  local known_as = redis.call('HMGET', 'conn:' .. connection, 'user', 'ends')
  local user, minute = known_as[1], math.floor((tonumber(known_as[2]) or 0) / 60000) + 1 -- see active.lua
  local flat = redis.call('HGETALL', subs)
  for j = 1, #flat, 2 do
    local key = 'group:' .. flat[j] .. '|' .. flat[j + 1]
    redis.call('ZREM', key, connection)
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', 'groups:' .. flat[j], flat[j + 1]) end
  end
  redis.call('DEL', subs)
  if user and #flat > 0 then redis.call('HINCRBY', 'active:subscriptions', minute, -#flat / 2) end
  redis.call('ZREM', 'ending', connection)
  if user then
    redis.call('ZREM', 'conns:' .. user, connection)
    redis.call('DEL', 'conn:' .. connection)
    redis.call('HINCRBY', 'active:connections', minute, -1)
    known = known + 1
  end
end
return known
