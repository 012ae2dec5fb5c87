-- How many connections and subscriptions there are. ARGV: now_ms. Returns {connections, subscriptions}.
-- active:{connections|subscriptions} are hashes: the minute by which a connection has ended -> how many end in it. Those
-- that were never told to have ended are gone with their minute, so that nothing has to be looked through.
local now = tonumber(ARGV[1])
local function total(key)
  local sum, past = 0, {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    if tonumber(flat[i]) * 60000 <= now then past[#past + 1] = flat[i] else sum = sum + tonumber(flat[i + 1]) end
  end
  if #past > 0 then redis.call('HDEL', key, unpack(past)) end
  return math.max(0, sum) -- below zero while some were opened by a release that did not count
end
return {total('active:connections'), total('active:subscriptions')}
