-- The answer to a query, or whose it is to make. ARGV: key, owner, now_ms, lease_ms, fresh_ms, life_ms, scopes …
--
-- arrived           hash   how often data of a topic or wildcard arrived
-- query:{k}         hash   version made body: an answer
-- query:lease:{k}   hash   owner ends: who makes it now, until when (ms)
-- queries           hash   key -> bytes of each answer that is kept; ' total': their sum
-- queries:used      zset   keys, scored by the time (ms) of their last use: with noeviction, forgetting is ours
--
-- The version is read before the answer is made: what arrives meanwhile makes it old at once. The fence is part of it, as
-- a server that was restored from a snapshot may count again what it had counted before.
local key, owner, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local version = redis.call('HGET', 'fence', 'generation') or ''
for i = 7, #ARGV do version = version .. ':' .. (redis.call('HGET', 'arrived', ARGV[i]) or '0') end

local kept = redis.call('HMGET', 'query:' .. key, 'version', 'made')
if kept[1] then
  redis.call('ZADD', 'queries:used', 'XX', now, key)
  local age = now - tonumber(kept[2])
  if age <= tonumber(ARGV[5]) or (kept[1] == version and age <= tonumber(ARGV[6])) then
    return {'fresh', version, kept[2], redis.call('HGET', 'query:' .. key, 'body')}
  end
end
local lease = 'query:lease:' .. key
local ends = redis.call('HGET', lease, 'ends')
if ends and tonumber(ends) > now then return {'wait', version} end
redis.call('HSET', lease, 'owner', owner, 'ends', string.format('%.0f', now + tonumber(ARGV[4])))
redis.call('PEXPIRE', lease, ARGV[4])
return {'make', version}
