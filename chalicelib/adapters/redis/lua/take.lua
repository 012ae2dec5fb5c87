-- A token bucket. ARGV: key, now_ms, tokens per second, burst, charge.
-- Without a charge: takes one token; returns {0 or the milliseconds until there is one, thousandths of tokens left}. With
-- one: takes so many in any case, into debt if need be, down to ten bursts.
local key, now = 'limit:' .. ARGV[1], tonumber(ARGV[2])
local rate, burst, charge = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local bucket = redis.call('HMGET', key, 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
local wait = 0
if charge > 0 then
  tokens = math.max(-10 * burst, tokens - charge)
elseif tokens >= 1 then
  tokens = tokens - 1
else
  wait = math.ceil((1 - tokens) * 1000 / rate)
end
redis.call('HSET', key, 'tokens', tostring(tokens), 'at', string.format('%.0f', math.max(at, now)))
redis.call('PEXPIRE', key, math.ceil((burst - math.min(tokens, 0)) * 1000 / rate) + 1000)
return {wait, math.floor(tokens * 1000)}
