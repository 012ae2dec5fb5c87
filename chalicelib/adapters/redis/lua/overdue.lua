-- The slots that nobody flushed: dirty topics whose tick was lost, and flushes that stopped half way.
-- ARGV: now_ms, grace_ms, then the slower rates. Returns {rate, slot} each.
local now, grace = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = {}
for i = 3, #ARGV do
  local rate = tonumber(ARGV[i])
  local oldest = redis.call('ZRANGE', 'dirty:' .. rate, 0, 0, 'WITHSCORES')
  if oldest[2] and tonumber(oldest[2]) * rate * 1000 + grace <= now then
    found[#found + 1] = {rate, math.floor((now - grace) / (rate * 1000))}
  end
end
for _, member in ipairs(redis.call('SMEMBERS', 'flushing')) do
  local rate, slot = string.match(member, '^(%d+):(%d+)$')
  if tonumber(slot) * tonumber(rate) * 1000 + grace <= now then found[#found + 1] = {tonumber(rate), tonumber(slot)} end
end
return found
