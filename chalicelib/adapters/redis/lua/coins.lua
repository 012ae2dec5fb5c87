-- The coins that somebody is subscribed to, or has a rule about, beyond those that are always polled, those wanted longest
-- first. ARGV: now_ms, grace_ms, most. One that nobody is subscribed to keeps its place for the grace, so that a reconnect does
-- not lose it, but is not polled meanwhile.
local now, grace, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}
local flat = redis.call('ZRANGE', 'wanted', 0, -1, 'WITHSCORES')
for i = 1, #flat, 2 do
  if redis.call('EXISTS', 'groups:price:' .. flat[i], 'sets:price:' .. flat[i]) > 0 then
    if #found < most then found[#found + 1] = flat[i] end
  elseif tonumber(flat[i + 1]) <= now - grace then
    redis.call('ZREM', 'wanted', flat[i])
  end
end
return found
