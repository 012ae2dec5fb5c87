-- The next members of a set, between two scores. ARGV: key, to, after (a member), most.
-- Returns {1, members...}, or {0} if that member is there no longer: its place is lost, and who asks begins again.
local rank = redis.call('ZRANK', ARGV[1], ARGV[3])
if not rank then return {0} end
local found = {1}
local last = redis.call('ZCOUNT', ARGV[1], '-inf', ARGV[2]) - 1
for _, member in ipairs(redis.call('ZRANGE', ARGV[1], rank + 1, math.min(last, rank + tonumber(ARGV[4])))) do
  found[#found + 1] = member
end
return found
