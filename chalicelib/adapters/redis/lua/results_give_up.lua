-- End the lease and give the place back, unless both are another's by now. ARGV: key, owner. (See results_find.lua.)
local lease = 'query:lease:' .. ARGV[1]
local holder = redis.call('HMGET', lease, 'owner', 'party')
if holder[1] ~= ARGV[2] then return 0 end
for _, whose in ipairs({'', ':' .. holder[2], ':nobody'}) do redis.call('ZREM', 'queries:running' .. whose, ARGV[2]) end
return redis.call('DEL', lease)
