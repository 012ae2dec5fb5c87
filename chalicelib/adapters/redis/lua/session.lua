-- A connection's record. ARGV: connection. Returns {user, tier, session, ends, rebuilt}, or nothing if there is none, or if it was
-- made on another server: this one may have lost its subscriptions.
local fields = redis.call('HMGET', 'conn:' .. ARGV[1], 'user', 'tier', 'session', 'ends', 'gen', 'rebuilt')
local gen = redis.call('HGET', 'fence', 'generation')
if not fields[1] or (gen and fields[5] and fields[5] ~= gen) then return {} end
return {fields[1], fields[2], fields[3], fields[4], fields[6] or '0'}
