-- Keep an answer, end its lease and give its place back; forget those used longest ago while all are more than the budget.
-- ARGV: key, owner, now_ms, made_ms, version, body, stale_ms, budget_bytes. (What is kept: results_find.lua.)
local key, owner, made, body = ARGV[1], ARGV[2], ARGV[4], ARGV[6]
local lease = 'query:lease:' .. key
local holder = redis.call('HMGET', lease, 'owner', 'party')
if holder[1] == owner then
  redis.call('DEL', lease)
  for _, whose in ipairs({'', ':' .. holder[2], ':nobody'}) do redis.call('ZREM', 'queries:running' .. whose, owner) end
end

local function forget(which)
  local bytes = tonumber(redis.call('HGET', 'queries', which) or 0)
  redis.call('DEL', 'query:' .. which)
  redis.call('ZREM', 'queries:used', which)
  redis.call('HDEL', 'queries', which)
  redis.call('HINCRBY', 'queries', ' total', -bytes)
end

-- A slow maker may come after a quick one that began later.
local newest = redis.call('HGET', 'query:' .. key, 'made')
if newest and tonumber(newest) > tonumber(made) then return 0 end
forget(key)
local bytes = #body + #key + 300 -- what Redis needs around it
redis.call('HSET', 'query:' .. key, 'version', ARGV[5], 'made', made, 'body', body)
redis.call('PEXPIRE', 'query:' .. key, ARGV[7])
redis.call('ZADD', 'queries:used', ARGV[3], key)
redis.call('HSET', 'queries', key, bytes)
local total = redis.call('HINCRBY', 'queries', ' total', bytes)
-- Those that have expired by themselves are still counted: they were used longest ago, and go first.
local expired = redis.call('ZRANGEBYSCORE', 'queries:used', '-inf', tonumber(ARGV[3]) - tonumber(ARGV[7]), 'LIMIT', 0, 100)
for _, which in ipairs(expired) do
  if redis.call('EXISTS', 'query:' .. which) == 0 then forget(which) end
end
total = tonumber(redis.call('HGET', 'queries', ' total'))
while total > tonumber(ARGV[8]) do
  local oldest = redis.call('ZRANGE', 'queries:used', 0, 0)[1]
  if not oldest then break end
  forget(oldest)
  total = tonumber(redis.call('HGET', 'queries', ' total'))
end
return 1
