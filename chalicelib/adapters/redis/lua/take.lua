-- A token bucket. ARGV: key, now_ms, tokens per second, burst. Returns 0, or the milliseconds until a token is there.
local key, now = 'limit:' .. ARGV[1], tonumber(ARGV[2])
local rate, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = redis.call('HMGET', key, 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
local wait = 0
if tokens >= 1 then
  tokens = tokens - 1
else
  wait = math.ceil((1 - tokens) * 1000 / rate)
end
redis.call('HSET', key, 'tokens', tostring(tokens), 'at', ARGV[2])
redis.call('PEXPIRE', key, math.ceil(burst * 1000 / rate) + 1000)
return wait
