-- A connection has ended: leave every group and leave a tombstone, which a late subscribe respects.
-- ARGV: tombstone_seconds, then connections. Returns the number that were known.
local known = 0
for i = 2, #ARGV do
  local connection = ARGV[i]
  local subs = 'subs:' .. connection
  redis.call('SET', 'tomb:' .. connection, '1', 'EX', ARGV[1])
  local flat = redis.call('HGETALL', subs)
  for j = 1, #flat, 2 do
    local key = 'group:' .. flat[j] .. '|' .. flat[j + 1]
    redis.call('ZREM', key, connection)
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', 'groups:' .. flat[j], flat[j + 1]) end
  end
  redis.call('DEL', subs)
  redis.call('ZREM', 'ending', connection)
  local user = redis.call('HGET', 'conn:' .. connection, 'user')
  if user then
    redis.call('ZREM', 'conns:' .. user, connection)
    redis.call('DEL', 'conn:' .. connection)
    known = known + 1
  end
end
return known
