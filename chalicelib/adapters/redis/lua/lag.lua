-- The smallest delay that any observation came with. ARGV: another one's, in microseconds, or ''. Returns it, 0 if none is
-- known. Key: lag.
local kept = redis.call('GET', 'lag')
if ARGV[1] ~= '' and (not kept or tonumber(ARGV[1]) < tonumber(kept)) then
  redis.call('SET', 'lag', ARGV[1])
  return ARGV[1]
end
return kept or '0'
