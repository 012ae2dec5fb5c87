-- Topics that others may have. ARGV: token, topics. (Keys: rules_keep.lua.)
for i = 2, #ARGV do
  if redis.call('GET', 'lease:' .. ARGV[i]) == ARGV[1] then redis.call('DEL', 'lease:' .. ARGV[i]) end
end
return #ARGV - 1
