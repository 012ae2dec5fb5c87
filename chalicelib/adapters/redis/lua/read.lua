-- The present values of topics to which a connection has no subscription of its own. ARGV: connection, token, topics...
-- Returns {topic, epoch, offset, '', attrs, entry} each, as subscribe.lua.
local connection, token = ARGV[1], ARGV[2]
local gen = generation(token)
local found = {}
for i = 3, #ARGV do
  local s = redis.call('HEXISTS', 'subs:' .. connection, ARGV[i]) == 0 and state(ARGV[i], gen, token)
  if s then found[#found + 1] = {ARGV[i], s.epoch, s.offset, '', s.attrs, s.entry} end
end
return found
