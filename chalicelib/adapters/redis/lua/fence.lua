-- Run on every new connection. ARGV: the server's run_id, a fresh token. Another server than the one seen last may have
-- lost the newest offsets: raise a generation. It is random, since a restored counter could be handed out again.
if redis.call('HGET', 'fence', 'run_id') ~= ARGV[1] then
  redis.call('HSET', 'fence', 'run_id', ARGV[1], 'generation', ARGV[2])
  redis.call('DEL', 'seen', 'feeds') -- what ingest said may have been lost on its way: let it say all again
end
return redis.call('HGET', 'fence', 'generation')
