-- Data of topics arrived. ARGV: topics and wildcards, each once. (See results_find.lua.)
for i = 1, #ARGV do redis.call('HINCRBY', 'arrived', ARGV[i], 1) end
return #ARGV
