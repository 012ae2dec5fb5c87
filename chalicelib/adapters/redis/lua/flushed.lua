-- The jobs of these updates are enqueued. What another flush of the same slot froze meanwhile stays.
-- ARGV: rate:slot, topics...
local key = 'flushing:' .. ARGV[1]
for i = 2, #ARGV do redis.call('HDEL', key, ARGV[i]) end
if redis.call('EXISTS', key) == 0 then redis.call('SREM', 'flushing', ARGV[1]) end
return 1
