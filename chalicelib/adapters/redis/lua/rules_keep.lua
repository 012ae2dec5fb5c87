-- Index rules, take them out of what moves, or forget them. Times are microseconds since 1970.
-- ARGV: event time, our own time, then per rule: 'put', 'retire' or 'remove', id, version, body, edges as JSON: {topic, set, score, member}
-- each, set being {over_s}|{measure} or 'stale'. Returns how many changed.
--
-- rule:{id}            hash   version body edges; retired: no edges; removed: for a while a version that none is newer than
-- rules                set    ids of all that are indexed
-- rules:index          hash   whole: '1' when every rule is in it; upto: the page of the store that was rebuilt last
-- rules:{t}|{set}      zset   {rule}|{n}|{user}, scored by the figure at which the rule's outcome may change; in
--                             'stale' by the seconds after which it may
-- sets:{t}             set    the sets of a topic that are not empty
-- figures:{t}          hash   at, id and {set}: the newest observation whose rules were judged, and its figures;
--                             new:at and new:{set}: of the newest that was begun with, by which all are judged;
--                             watched: since when somebody waits for it to be stale
-- samples:{t}|{over_s} zset   {at}|{value} scored by at, the last of each bucket (see domain/windows.py)
-- lease:{t}            text   whose the topic is
-- stale                zset   topics scored by the time at which the next of their rules finds them stale
local now, our_now = ARGV[1], ARGV[2]

local function over_of(set)
  local over = string.match(set, '^(%d+)|')
  return over ~= '0' and over or nil
end

local function empty(topic, set)
  redis.call('SREM', 'sets:' .. topic, set)
  if set == 'stale' then redis.call('ZREM', 'stale', topic) end
  local over = over_of(set)
  local key = over and 'rules:' .. topic .. '|' .. over
  if over and redis.call('EXISTS', key .. '|change_pct', key .. '|change_abs') == 0 then -- kept up no longer
    for _, of in ipairs({over .. '|change_pct', over .. '|change_abs'}) do
      redis.call('HDEL', 'figures:' .. topic, of, 'new:' .. of)
    end
    redis.call('DEL', 'samples:' .. topic .. '|' .. over)
  end
end

local function take_out(edges)
  for _, edge in ipairs(edges) do
    local key = 'rules:' .. edge[1] .. '|' .. edge[2]
    redis.call('ZREM', key, edge[4])
    if redis.call('EXISTS', key) == 0 then empty(edge[1], edge[2]) end
  end
end

local function watch(topic, over_s)
  redis.call('HSETNX', 'figures:' .. topic, 'watched', now)
  local seen = redis.call('HMGET', 'figures:' .. topic, 'at', 'watched')
  redis.call('ZADD', 'stale', 'LT', string.format('%.0f', tonumber(seen[1] or seen[2]) + over_s * 1000000), topic)
end

local function sample(topic, over) -- what is known already is the first that a window is measured from
  local known = redis.call('HMGET', 'figures:' .. topic, 'at', '0|value')
  local key = 'samples:' .. topic .. '|' .. over
  if known[1] and known[2] and redis.call('EXISTS', key) == 0 then
    redis.call('ZADD', key, known[1], known[1] .. '|' .. known[2])
  end
end

local function want(topic) -- a coin that is polled only for who asks for it (see coins.lua)
  local coin = string.match(topic, '^price:([^:]+:.+)$')
  if coin then redis.call('ZADD', 'wanted', 'NX', string.format('%.0f', tonumber(our_now) / 1000), coin) end
end

local function put_in(edges)
  for _, edge in ipairs(edges) do
    local topic, set = edge[1], edge[2]
    want(topic)
    redis.call('ZADD', 'rules:' .. topic .. '|' .. set, edge[3], edge[4])
    redis.call('SADD', 'sets:' .. topic, set)
    if set == 'stale' then watch(topic, tonumber(edge[3])) end
    local over = over_of(set)
    if over then sample(topic, over) end
  end
end

local changed = 0
for i = 3, #ARGV, 5 do
  local how, id, version, body, edges = unpack(ARGV, i, i + 4)
  local key = 'rule:' .. id
  local kept = redis.call('HMGET', key, 'version', 'edges')
  local known = tonumber(kept[1])
  local wanted = how == 'remove' or (how == 'retire' and known == tonumber(version))
    or (how == 'put' and (not known or known < tonumber(version)))
  if wanted then
    if kept[2] then take_out(cjson.decode(kept[2])) end
    if how == 'remove' then
      redis.call('HDEL', key, 'body', 'edges')
      redis.call('HSET', key, 'version', version)
      redis.call('EXPIRE', key, 3600)
      redis.call('SREM', 'rules', id)
    else
      redis.call('HSET', key, 'version', version, 'body', body, 'edges', edges)
      redis.call('SADD', 'rules', id)
      put_in(cjson.decode(edges))
    end
    changed = changed + 1
  end
end
return changed
