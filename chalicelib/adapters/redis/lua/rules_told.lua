-- The rules that wait for a topic to be stale up to so long are looked at: now the next ones wait.
-- ARGV: topic, seen, over_s. Nothing if the topic was seen since. (Keys: rules_keep.lua.)
local topic, seen, over_s = ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('HMGET', 'figures:' .. topic, 'at', 'watched')
if (known[1] or known[2]) ~= seen then return 0 end
local following = redis.call('ZRANGE', 'rules:' .. topic .. '|stale', '(' .. over_s, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
if following[2] then
  redis.call('ZADD', 'stale', string.format('%.0f', tonumber(seen) + tonumber(following[2]) * 1000000), topic)
else
  redis.call('ZREM', 'stale', topic)
end
return 1
