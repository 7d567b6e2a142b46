-- Gives back the memory of what a clear has ended: of the keys from the fifth on.
for at = 5, #KEYS do
    if redis.call('HGET', KEYS[at], 'epoch') ~= epoch then
        redis.call('DEL', KEYS[at])
    end
end
return 1
