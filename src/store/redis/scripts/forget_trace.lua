-- Removes a trace that is beyond the bound, unless a session stands in its place.
if redis.call('HEXISTS', KEYS[1], 'trace') == 1 then
    redis.call('DEL', KEYS[1])
end
return 1
