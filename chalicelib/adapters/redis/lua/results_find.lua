-- The answer to a query, or whose it is to make: his who asks, if the database has a place for it.
-- ARGV: key, owner, party, now_ms, lease_ms, fresh_ms, life_ms, places of a party, places of all, places of nobody
-- (empty for who came with a key), scopes …
--
-- arrived                  hash   how often data of a topic or wildcard arrived
-- query:{k}                hash   version made body: an answer
-- query:lease:{k}          hash   owner party ends: who makes it now, until when (ms)
-- queries                  hash   key -> bytes of each answer that is kept; ' total': their sum
-- queries:used             zset   keys, scored by the time (ms) of their last use: with noeviction, forgetting is ours
-- queries:running          zset   who makes an answer now, scored by the end of his lease
-- queries:running:{party}  zset   those of one party
-- queries:running:nobody   zset   those of all who came without a key: however many they are, others have places left
--
-- The version is read before the answer is made: what arrives meanwhile makes it old at once. The fence is part of it, as
-- a server that was restored from a snapshot may count again what it had counted before.
local key, owner, party, now, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local version = redis.call('HGET', 'fence', 'generation') or ''
for i = 11, #ARGV do version = version .. ':' .. (redis.call('HGET', 'arrived', ARGV[i]) or '0') end

local kept = redis.call('HMGET', 'query:' .. key, 'version', 'made')
if kept[1] then
  redis.call('ZADD', 'queries:used', 'XX', now, key)
  local age = now - tonumber(kept[2])
  if age <= tonumber(ARGV[6]) or (kept[1] == version and age <= tonumber(ARGV[7])) then
    return {'fresh', version, kept[2], redis.call('HGET', 'query:' .. key, 'body')}
  end
end
local lease = 'query:lease:' .. key
local ends = redis.call('HGET', lease, 'ends')
if ends and tonumber(ends) > now then return {'wait', version} end

local running = {[8] = 'queries:running:' .. party, [9] = 'queries:running'}
if ARGV[10] ~= '' then running[10] = 'queries:running:nobody' end
for limit, places in pairs(running) do
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  if redis.call('ZCARD', places) >= tonumber(ARGV[limit]) then return {'full', version} end
end
local ending = string.format('%.0f', now + lease_ms)
for _, places in pairs(running) do
  redis.call('ZADD', places, ending, owner)
  if redis.call('PTTL', places) < lease_ms then redis.call('PEXPIRE', places, lease_ms) end
end
redis.call('HSET', lease, 'owner', owner, 'party', party, 'ends', ending)
redis.call('PEXPIRE', lease, lease_ms)
return {'make', version}
