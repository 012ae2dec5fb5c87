-- Make an observation's figures the newest, and find the rules that they cross, in one step: a rule that is put before
-- it is found, one that is put after it sees the figures. ARGV: token, most, then per topic: topic, at, n, and n times
-- {set, figure or '' if it is not known, from or '' if it did not move, to}.
-- Returns per topic {set, members...} each: at most so many, the next by rules_page.lua. (Keys: rules_keep.lua.)
local token, most = ARGV[1], tonumber(ARGV[2])
local found = {}
local i = 3
while i <= #ARGV do
  local topic, at, n = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local key = 'figures:' .. topic
  local newest = tonumber(redis.call('HGET', key, 'new:at'))
  local is_newest = redis.call('GET', 'lease:' .. topic) == token and (not newest or tonumber(at) >= newest)
  if is_newest then redis.call('HSET', key, 'new:at', at) end
  local crossed = {}
  for j = i + 3, i + 2 + 4 * n, 4 do
    local set, figure, from, to = unpack(ARGV, j, j + 3)
    if is_newest and set ~= 'stale' then
      if figure == '' then redis.call('HDEL', key, 'new:' .. set) else redis.call('HSET', key, 'new:' .. set, figure) end
    end
    if from ~= '' then
      local members = redis.call('ZRANGE', 'rules:' .. topic .. '|' .. set, from, to, 'BYSCORE', 'LIMIT', 0, most)
      if #members > 0 then crossed[#crossed + 1] = {set, unpack(members)} end
    end
  end
  found[#found + 1] = crossed
  i = i + 3 + 4 * n
end
return found
