-- Shared by every script that reads or writes a topic; put before each of them.
--
-- fence           hash   run_id of the server that was last seen, generation (part of every epoch)
-- topic:{t}       hash   gen epoch offset value entry observed_ms attrs force
--                        b:{rung} baseline, p:{rung} last offset that passed the rung
--                        r:{rate}|{rung} "{offset}:{ms}" last sent to that rate and rung
-- log:{t}         list   one JSON entry an offset, the newest last
-- topics:{w}      set    the topics that a wildcard matches
-- groups:{t}      set    names of the groups of a topic or wildcard: {rate}|{rung}|{rest of the filter}
-- group:{t}|{g}   zset   connections, scored by the time (ms) at which they end
-- dirty:{rate}    zset   topics to flush, scored by slot
-- armed:{rate}:{slot}    lease: somebody has sent the tick of this slot
-- flushing               set of {rate}:{slot}; flushing:{rate}:{slot}: hash topic -> frozen update

local function generation(token)
  local gen = redis.call('HGET', 'fence', 'generation')
  if not gen then -- the store was flushed under a living connection
    gen = token
    redis.call('HSET', 'fence', 'generation', gen)
  end
  return gen
end

local function hash(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- A topic's state, or nil. Its first look in a new generation gives it a new epoch: offsets of the old one may
-- have been handed out and lost. `force` then makes the next observation a change for every rung, since clients
-- may hold values that this server never heard of.
local function state(topic, gen, token)
  local key = 'topic:' .. topic
  local s = hash(key)
  if not s or s.gen == gen then return s end
  local stale = {}
  for field in pairs(s) do
    local prefix = string.sub(field, 1, 2)
    if prefix == 'p:' or prefix == 'r:' then stale[#stale + 1] = field end
  end
  for _, field in ipairs(stale) do s[field] = nil end
  if #stale > 0 then redis.call('HDEL', key, unpack(stale)) end
  redis.call('DEL', 'log:' .. topic)
  s.gen, s.epoch, s.offset, s.force = gen, gen .. '.' .. token, '0', '1'
  redis.call('HSET', key, 'gen', s.gen, 'epoch', s.epoch, 'offset', s.offset, 'force', s.force)
  return s
end

-- 'a:b:c' -> {'a:b:*', 'a:*'}
local function wildcards(topic)
  local found = {}
  for i = #topic - 1, 2, -1 do
    if string.sub(topic, i, i) == ':' then found[#found + 1] = string.sub(topic, 1, i) .. '*' end
  end
  return found
end

-- The distinct {rate}|{rung} of slower rates that somebody subscribed to, over a topic and its wildcards.
local slow_of = {}
local function slow_pairs(topic)
  local found = {}
  local function collect(name)
    local groups = slow_of[name]
    if not groups then
      groups = {}
      for _, group in ipairs(redis.call('SMEMBERS', 'groups:' .. name)) do
        local rate, rung = string.match(group, '^(%d+)|([%d.]*)|')
        if rate ~= '0' then groups[#groups + 1] = {tonumber(rate), rung} end
      end
      slow_of[name] = groups
    end
    for _, pair in ipairs(groups) do found[pair[1] .. '|' .. pair[2]] = pair end
  end
  collect(topic)
  for _, name in ipairs(wildcards(topic)) do collect(name) end
  return found
end

local function sent(s, pair) -- last offset and time (ms) sent to a rate and rung
  local field = s['r:' .. pair[1] .. '|' .. pair[2]]
  if not field then return nil, nil end
  local offset, ms = string.match(field, '^(%d+):(%d+)$')
  return tonumber(offset), tonumber(ms)
end

-- Take the lease of a slot; true if its tick is ours to send.
local function arm(rate, slot)
  local lease = 'armed:' .. rate .. ':' .. slot
  return redis.call('SET', lease, '1', 'NX', 'PX', rate * 1000 + 10000) and true or false
end

local function integer(number) return string.format('%.0f', number) end
