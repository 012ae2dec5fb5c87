-- Run on every new connection. ARGV: the server's run_id, a fresh token. Another server than the one seen last may have
-- lost the newest offsets: raise a generation. It is random, since a restored counter could be handed out again.
if redis.call('HGET', 'fence', 'run_id') ~= ARGV[1] then
  redis.call('HSET', 'fence', 'run_id', ARGV[1], 'generation', ARGV[2])
  -- What ingest said may have been lost on its way: let it ask and say all again.
  redis.call('DEL', 'seen')
  local feeds = redis.call('HGETALL', 'feeds')
  for i = 1, #feeds, 2 do
    local feed = cjson.decode(feeds[i + 1])
    feed.etags, feed.next_poll = {}, cjson.null
    redis.call('HSET', 'feeds', feeds[i], cjson.encode(feed))
  end
end
return redis.call('HGET', 'fence', 'generation')
