-- Register a connection, if its user's tier has room. ARGV: connection, user, tier, now_ms, ends_ms, session_ms, limit, rebuilt (1 or 0).
-- Returns {1} if it is registered, else {0, connections...}: those older than half a minute, the oldest first, for the
-- caller to ask which are gone (of one that is still in its handshake the gateway would say so too).
local connection, user, tier = ARGV[1], ARGV[2], ARGV[3]
local now, ends, session, limit = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if redis.call('EXISTS', 'tomb:' .. connection) == 1 then return {1} end -- it has ended meanwhile
local conns = 'conns:' .. user
redis.call('ZREMRANGEBYSCORE', conns, '-inf', now)
if not redis.call('ZSCORE', conns, connection) and redis.call('ZCARD', conns) >= limit then
  return {0, unpack(redis.call('ZRANGEBYSCORE', conns, '-inf', ends - 30000, 'LIMIT', 0, 50))}
end
redis.call('ZADD', conns, ends, connection)
redis.call('ZADD', 'ending', ends, connection)
if redis.call('PEXPIRETIME', conns) < ends + 60000 then
  redis.call('PEXPIREAT', conns, string.format('%.0f', ends + 60000))
end
local gen = redis.call('HGET', 'fence', 'generation') or ''
local kept = redis.call('HMGET', 'conn:' .. connection, 'user', 'session', 'ends')
local function counted(at, change) redis.call('HINCRBY', 'active:connections', math.floor(at / 60000) + 1, change) end -- active.lua
if kept[3] then counted(tonumber(kept[3]), -1) end
counted(ends, 1)
if kept[1] == user and tonumber(kept[2]) > tonumber(session) then session = kept[2] end -- it was refreshed
redis.call('HSET', 'conn:' .. connection, 'user', user, 'tier', tier, 'ends', ARGV[5], 'session', session, 'gen', gen, 'rebuilt', ARGV[8])
redis.call('PEXPIREAT', 'conn:' .. connection, ARGV[5])
return {1}
