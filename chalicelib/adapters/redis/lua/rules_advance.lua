-- What was begun with is judged: its figures are those that the next move starts from. ARGV: token, then per topic:
-- topic, at, id, n, n times {set, figure or ''}. Returns 1 or, if the topic was another's by now, 0 for each.
-- (Keys: rules_keep.lua.)
local token = ARGV[1]

-- As windows.add: the last of a bucket takes the place of those before it; what no later figure can need goes.
local function sample(topic, over, at, value)
  local key, bucket = 'samples:' .. topic .. '|' .. over, tonumber(over) / 60 * 1000000
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  if last[2] and math.floor(tonumber(last[2]) / bucket) == math.floor(tonumber(at) / bucket) then
    redis.call('ZREM', key, last[1])
  end
  redis.call('ZADD', key, at, at .. '|' .. value)
  local begin = string.format('%.0f', tonumber(at) - tonumber(over) * 1000000)
  local base = redis.call('ZRANGE', key, begin, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
  if base[2] then redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. base[2]) end
end

local function keep_up(topic, at, value)
  local seen = {}
  for _, set in ipairs(redis.call('SMEMBERS', 'sets:' .. topic)) do
    local over = string.match(set, '^(%d+)|')
    if over and over ~= '0' and not seen[over] then
      seen[over] = true
      sample(topic, over, at, value)
    elseif set == 'stale' then
      local first = redis.call('ZRANGE', 'rules:' .. topic .. '|stale', 0, 0, 'WITHSCORES')
      redis.call('ZADD', 'stale', string.format('%.0f', tonumber(at) + tonumber(first[2]) * 1000000), topic)
    end
  end
end

local told = {}
local i = 2
while i <= #ARGV do
  local topic, at, id, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local ours = redis.call('GET', 'lease:' .. topic) == token
  if ours then
    local key = 'figures:' .. topic
    redis.call('HSET', key, 'at', at, 'id', id)
    for j = i + 4, i + 3 + 2 * n, 2 do
      local set, figure = ARGV[j], ARGV[j + 1]
      if set == '0|value' then keep_up(topic, at, figure) end
      if figure == '' then redis.call('HDEL', key, set) else redis.call('HSET', key, set, figure) end
    end
    redis.call('DEL', 'lease:' .. topic)
  end
  told[#told + 1] = ours and 1 or 0
  i = i + 4 + 2 * n
end
return told
