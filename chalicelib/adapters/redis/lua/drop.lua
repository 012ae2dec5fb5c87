-- Forget that a connection was registered, without ending it. ARGV: connection.
local conn = 'conn:' .. ARGV[1]
local ends = tonumber(redis.call('HGET', conn, 'ends'))
if ends then redis.call('HINCRBY', 'active:connections', math.floor(ends / 60000) + 1, -1) end
return redis.call('DEL', conn)
