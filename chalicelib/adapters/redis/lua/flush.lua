-- Move what is due of a rate's dirty topics into flushing:{rate}:{slot}, frozen with the offset and prev that it is
-- sent with, so that a second try sends the same.
-- ARGV: rate, slot, token, most topics to move in one go.
-- Returns {frozen, tick, more}: {topic, epoch, attrs, entry} each, 1 if the next slot is ours to arm, 1 if more are due.
local rate, slot, token, most = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local key, due_ms = 'flushing:' .. rate .. ':' .. slot, slot * rate * 1000
local gen = generation(token)
local again = false

local function freeze(topic, s)
  local later, due = false, {}
  for name, pair in pairs(slow_pairs(topic)) do
    if pair[1] == rate then
      local newest = tonumber(pair[2] == '' and s.offset or s['p:' .. pair[2]])
      local last_offset, last_ms = sent(s, pair)
      if newest and newest > (last_offset or -1) then
        if not last_ms or due_ms >= last_ms + rate * 1000 then
          due[name] = last_offset or cjson.null
          redis.call('HSET', 'topic:' .. topic, 'r:' .. name, s.offset .. ':' .. integer(due_ms))
        else
          later = true -- sent at once within this slot: at most one an interval
        end
      end
    end
  end
  if next(due) then
    local entry = cjson.decode(s.entry)
    entry.offset, entry.slow, entry.prev = tonumber(s.offset), due, nil
    redis.call('HSET', key, topic, cjson.encode({epoch = s.epoch, attrs = s.attrs, entry = entry}))
  end
  return later
end

local room = math.max(0, most - redis.call('HLEN', key))
for _, topic in ipairs(redis.call('ZRANGEBYSCORE', 'dirty:' .. rate, '-inf', slot, 'LIMIT', 0, room)) do
  redis.call('ZREM', 'dirty:' .. rate, topic)
  local s = state(topic, gen, token)
  if redis.call('HEXISTS', key, topic) == 1 or (s and freeze(topic, s)) then
    redis.call('ZADD', 'dirty:' .. rate, slot + 1, topic)
    again = true
  end
end

local frozen = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local f = cjson.decode(flat[i + 1])
  frozen[#frozen + 1] = {flat[i], f.epoch, f.attrs, cjson.encode(f.entry)}
end
if #frozen > 0 then
  redis.call('SADD', 'flushing', rate .. ':' .. slot)
  redis.call('EXPIRE', key, 7200)
else
  redis.call('SREM', 'flushing', rate .. ':' .. slot) -- its updates expired: nothing is left to sweep
end
local more = redis.call('ZCOUNT', 'dirty:' .. rate, '-inf', slot) > 0
return {frozen, again and arm(rate, slot + 1) and 1 or 0, more and 1 or 0}
