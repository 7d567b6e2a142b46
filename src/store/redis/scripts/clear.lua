-- A new epoch, ARGV[2], ends at once whatever bears another.
redis.call('DEL', KEYS[3])
redis.call('SET', KEYS[2], ARGV[2])
return 1
