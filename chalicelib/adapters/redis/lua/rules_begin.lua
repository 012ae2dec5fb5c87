-- Take topics for a worker, one observation each, and say what their figures were. ARGV: token, lease_ms, then per
-- observation: topic, at, id. Returns per observation 'busy', 'old' or {figures, sets, bases}: figures as of
-- figures:{t}, bases {over_s, sample} of each window that has one. (Keys: rules_keep.lua.)
local token, lease_ms = ARGV[1], ARGV[2]

local function bases(topic, sets, at)
  local found, seen = {}, {}
  for _, set in ipairs(sets) do
    local over = string.match(set, '^(%d+)|')
    if over and over ~= '0' and not seen[over] then
      seen[over] = true
      local begin = string.format('%.0f', at - tonumber(over) * 1000000)
      local newest = redis.call('ZRANGE', 'samples:' .. topic .. '|' .. over, begin, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1)
      if newest[1] then found[#found + 1] = {over, newest[1]} end
    end
  end
  return found
end

local function begin(topic, at, id)
  local last = redis.call('HMGET', 'figures:' .. topic, 'at', 'id')
  if last[1] then
    local is_newer = at > tonumber(last[1]) or (at == tonumber(last[1]) and id > last[2])
    if not is_newer then return 'old' end
  end
  local lease = 'lease:' .. topic
  if not redis.call('SET', lease, token, 'NX', 'PX', lease_ms) then
    if redis.call('GET', lease) ~= token then return 'busy' end
    redis.call('PEXPIRE', lease, lease_ms)
  end
  local sets = redis.call('SMEMBERS', 'sets:' .. topic)
  if #sets == 0 then return {{}, {}, {}} end
  return {redis.call('HGETALL', 'figures:' .. topic), sets, bases(topic, sets, at)}
end

local found = {}
for i = 3, #ARGV, 3 do found[#found + 1] = begin(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]) end
return found
