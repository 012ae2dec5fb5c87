-- Move the end of a session and of every subscription of its connection. ARGV: connection, session_ms.
-- Returns 1, or 0 if the connection is not known.
local connection, session = ARGV[1], tonumber(ARGV[2])
local conn = 'conn:' .. connection
local ends = tonumber(redis.call('HGET', conn, 'ends'))
if not ends then return 0 end
redis.call('HSET', conn, 'session', ARGV[2])
local score = math.min(ends, session)
local flat = redis.call('HGETALL', 'subs:' .. connection)
for i = 1, #flat, 2 do
  local key = 'group:' .. flat[i] .. '|' .. flat[i + 1]
  redis.call('ZADD', key, score, connection)
  redis.call('SADD', 'groups:' .. flat[i], flat[i + 1]) -- forgotten as empty, if the session had ended before
  for _, expiring in ipairs({key, 'groups:' .. flat[i], 'subs:' .. connection}) do
    local at = string.format('%.0f', score + 60000)
    if redis.call('PEXPIRETIME', expiring) < tonumber(at) then redis.call('PEXPIREAT', expiring, at) end
  end
end
return 1
