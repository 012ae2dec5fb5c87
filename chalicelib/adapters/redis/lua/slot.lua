-- Take one of the places for queries that the database works on. ARGV: party, owner, now_ms, lease_ms, of a party, of all.
-- Returns 1, or 0 if all are taken. queries:running, queries:running:{party}: zset of owners, scored by their leases' ends.
local mine, all = 'queries:running:' .. ARGV[1], 'queries:running'
local now, ends = tonumber(ARGV[3]), tonumber(ARGV[3]) + tonumber(ARGV[4])
for _, key in ipairs({mine, all}) do redis.call('ZREMRANGEBYSCORE', key, '-inf', now) end
if redis.call('ZCARD', mine) >= tonumber(ARGV[5]) or redis.call('ZCARD', all) >= tonumber(ARGV[6]) then return 0 end
for _, key in ipairs({mine, all}) do
  redis.call('ZADD', key, string.format('%.0f', ends), ARGV[2])
  if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
end
return 1
