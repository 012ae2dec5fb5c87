-- The coins that somebody wants polled, those wanted longest first. ARGV: now_ms, grace_ms, most.
-- One that nobody is subscribed to any more is forgotten after the grace, which a reconnect must fit in.
local now, grace, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for _, coin in ipairs(redis.call('ZRANGEBYSCORE', 'coins', '-inf', now - grace)) do
  if redis.call('EXISTS', 'groups:price:' .. coin) == 0 then redis.call('ZREM', 'coins', coin) end
end
return redis.call('ZRANGE', 'coins', 0, most - 1)
