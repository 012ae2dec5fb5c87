-- Turn observations into changes, in the order of DESIGN: id, age, rungs; log and snapshot in the same step.
-- ARGV: now_ms, published_at, token, log_entries, log_seconds, applied_seconds,
--       then per observation: id, topic, value, observed_ms, observed_at, source, confidence, attrs, pct, absolute, alert
-- An alert is an event: each is a change, whatever its value, age or the one before it.
-- Returns {results, ticks}: per observation {status, epoch, entry}, and {rate, slot} for every tick to send.
local now, published_at, token = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local log_entries, log_seconds, applied_seconds = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local RUNGS = {'0.5', '1', '2', '5', '10'}
local SLOWER = {1, 5, 15, 60}
local TOLERANCE = 1 - 1e-12 -- doubles: 100 -> 100.1 must count as 0.1 %
local gen = generation(token)
local ticks = {}

local function moved(value, base, pct, absolute)
  local delta = math.abs(value - base)
  if pct == 0 then return true end
  if delta == 0 then return false end
  if absolute and delta >= absolute * TOLERANCE then return true end
  if base == 0 then return true end
  return delta * 100 >= pct * math.abs(base) * TOLERANCE
end

local function mark_dirty(topic, rate)
  local slot = math.floor(now / (rate * 1000)) + 1
  redis.call('ZADD', 'dirty:' .. rate, 'NX', slot, topic)
  if arm(rate, slot) then ticks[#ticks + 1] = {rate, slot} end
end

local function remember(id, what)
  redis.call('SET', 'applied:' .. id, what, 'EX', applied_seconds)
end

-- Applied before: its first entry again if the log still has it, so that a retry after a crash fans out again.
local function known(applied, topic, s)
  local epoch, offset = string.match(applied, '^(%S+) (%d+)$')
  if not epoch or not s or s.epoch ~= epoch then return {'known', '', ''} end
  for _, rate in ipairs(SLOWER) do
    if redis.call('ZSCORE', 'dirty:' .. rate, topic) then mark_dirty(topic, rate) end
  end
  local entry = redis.call('LINDEX', 'log:' .. topic, tonumber(offset) - tonumber(s.offset) - 1)
  return {'known', epoch, entry or ''}
end

local function apply(id, topic, value, observed_ms, observed_at, source, confidence, attrs, pct, absolute, alert)
  local s = state(topic, gen, token)
  local applied = redis.call('GET', 'applied:' .. id)
  if applied and not (s and s.force == '1') then return known(applied, topic, s) end
  local key = 'topic:' .. topic
  local is_event = alert ~= ''
  if s and not is_event and tonumber(observed_ms) < tonumber(s.observed_ms) then
    remember(id, '-')
    return {'old', '', ''}
  end

  local number, forced = tonumber(value), not s or s.force == '1'
  local threshold = tonumber(pct)
  local changed = forced or is_event or moved(number, tonumber(s.value), threshold, tonumber(absolute))
  local passed = {}
  for _, rung in ipairs(RUNGS) do
    local base = s and s['b:' .. rung]
    passed[rung] = forced or not base or moved(number, tonumber(base), tonumber(rung))
    if passed[rung] and tonumber(rung) >= threshold then changed = true end
  end
  if not changed then
    redis.call('HSET', key, 'observed_ms', observed_ms)
    remember(id, '-')
    return {'same', '', ''}
  end

  if not s then
    s = {offset = '0', epoch = gen .. '.' .. token}
    for _, name in ipairs(wildcards(topic)) do redis.call('SADD', 'topics:' .. name, topic) end
  end
  local offset = tonumber(s.offset) + 1
  local entry = {
    offset = offset, value = value, previous = not is_event and s.value or cjson.null, observed_at = observed_at,
    published_at = published_at, source = source, confidence = confidence ~= '' and confidence or cjson.null,
    prev = {}, slow = {}, alert = is_event and alert or nil,
  }
  local fields = {
    'gen', gen, 'epoch', s.epoch, 'offset', integer(offset), 'value', value, 'observed_ms', observed_ms,
    'attrs', attrs, 'force', '0',
  }
  local function set(field, text)
    fields[#fields + 1] = field
    fields[#fields + 1] = text
  end
  for _, rung in ipairs(RUNGS) do
    if passed[rung] then
      entry.prev[rung] = tonumber(s['p:' .. rung]) or cjson.null
      set('p:' .. rung, integer(offset))
      set('b:' .. rung, value)
    end
  end
  for name, pair in pairs(slow_pairs(topic)) do
    if pair[2] == '' or passed[pair[2]] then
      local last_offset, last_ms = sent(s, pair)
      if not last_ms or now >= last_ms + pair[1] * 1000 then -- the first change after quiet goes out at once
        entry.slow[name] = last_offset or cjson.null
        set('r:' .. name, integer(offset) .. ':' .. integer(now))
      else
        mark_dirty(topic, pair[1])
      end
    end
  end
  local text = cjson.encode(entry)
  set('entry', text)
  redis.call('HSET', key, unpack(fields))
  redis.call('RPUSH', 'log:' .. topic, text)
  redis.call('LTRIM', 'log:' .. topic, -log_entries, -1)
  redis.call('EXPIRE', 'log:' .. topic, log_seconds)
  remember(id, s.epoch .. ' ' .. integer(offset))
  return {'change', s.epoch, text}
end

local results = {}
for i = 7, #ARGV, 11 do results[#results + 1] = apply(unpack(ARGV, i, i + 10)) end
return {results, ticks}
