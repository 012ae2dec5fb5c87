-- Join the groups of a command's topics and read position and log in the same step, so that no update falls between.
-- The topics of a wildcard that are not resumed are read afterwards, in parts (read.lua): what changes in between is
-- already on its way to the group.
-- ARGV: connection, now_ms, ends_ms, token, max_topics, rate|rung|rest, snapshot,
--       #patterns, then per pattern {text, wanted coin or ''}, per since {topic, epoch, offset}
-- Returns {status, patterns, topics}: per pattern {text, 'ok'|'unknown'|'too_many', matched},
--         per topic {topic, epoch, offset, recovered ('1', '0', '' if not resumed), attrs, snapshot entry or '', log entries...}
local connection, now, ends, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local max_topics, group, snapshot = tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local subs = 'subs:' .. connection
if redis.call('EXISTS', 'tomb:' .. connection) == 1 then return {'gone', {}, {}} end
local gen = generation(token)
local rate, rung = string.match(group, '^(%d+)|([%d.]*)|')

-- A session may be extended after its end, up to the end of its connection: what it wants is kept until then.
local known = tonumber(redis.call('HGET', 'conn:' .. connection, 'ends'))
local keep = math.max(ends, known or 0)

local since, last = {}, 8 + 1 + 2 * tonumber(ARGV[8])
for i = last, #ARGV, 3 do since[ARGV[i]] = {ARGV[i + 1], tonumber(ARGV[i + 2])} end

-- A coin to poll from now on; beyond so many wishes at once nobody is helped by one more.
local function want(coin)
  if redis.call('ZCARD', 'wanted') < 20000 then redis.call('ZADD', 'wanted', 'NX', now, coin) end
end

local function leave(name, old)
  local key = 'group:' .. name .. '|' .. old
  redis.call('ZREM', key, connection)
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', 'groups:' .. name, old) end
end

local function join(name)
  local old = redis.call('HGET', subs, name)
  if old and old ~= group then leave(name, old) end
  local key = 'group:' .. name .. '|' .. group
  redis.call('ZADD', key, ends, connection)
  redis.call('SADD', 'groups:' .. name, group)
  redis.call('HSET', subs, name, group)
  for _, expiring in ipairs({key, 'groups:' .. name, subs}) do
    if redis.call('PTTL', expiring) < keep - now then redis.call('PEXPIREAT', expiring, integer(keep + 60000)) end
  end
end

local function resume(topic, s, from)
  local missing = tonumber(s.offset) - from[2]
  if s.epoch ~= from[1] or missing < 0 then return nil end
  if missing == 0 then return {} end
  local entries = redis.call('LRANGE', 'log:' .. topic, -missing, -1)
  if #entries < missing then return nil end -- never a partial recovery
  return entries
end

local topics, seen = {}, {}
local function read(topic)
  if seen[topic] then return end
  seen[topic] = true
  local s = state(topic, gen, token)
  if not s then
    topics[#topics + 1] = {topic, '', '0', since[topic] and '0' or '', '', ''}
    return
  end
  local from = since[topic]
  local entries = from and resume(topic, s, from)
  if entries then
    topics[#topics + 1] = {topic, s.epoch, s.offset, '1', s.attrs, '', unpack(entries)}
  else
    topics[#topics + 1] = {topic, s.epoch, s.offset, from and '0' or '', s.attrs, (snapshot or from) and s.entry or ''}
  end
end

-- A topic is unknown once its source has been heard and did not name it; one that the client was told of before is not.
local function exists(topic)
  if since[topic] or redis.call('EXISTS', 'topic:' .. topic) == 1 then return true end
  return redis.call('EXISTS', 'topics:' .. wildcards(topic)[1]) == 0
end

local patterns = {}
local count = redis.call('HLEN', subs)
local before = count
for i = 9, last - 1, 2 do
  local name, coin = ARGV[i], ARGV[i + 1]
  local is_wild = string.sub(name, -1) == '*'
  local is_new = redis.call('HEXISTS', subs, name) == 0
  local status = 'ok'
  if is_new and count >= max_topics then
    status = 'too_many'
  elseif not is_wild and coin == '' and not exists(name) then
    status = 'unknown'
  else
    if is_new then count = count + 1 end
    if coin ~= '' and coin ~= '-' then want(coin) end
    join(name)
    if not is_wild then read(name) end
  end
  patterns[#patterns + 1] = {name, status, is_wild and redis.call('SCARD', 'topics:' .. name) or 1}
end
for _, pattern in ipairs(patterns) do
  local stem = pattern[2] == 'ok' and string.match(pattern[1], '^(.*)%*$')
  for topic in pairs(since) do
    if stem and string.sub(topic, 1, #stem) == stem then read(topic) end
  end
end
if known and count > before then -- see active.lua
  redis.call('HINCRBY', 'active:subscriptions', math.floor(known / 60000) + 1, count - before)
end
return {'ok', patterns, topics}
