-- Ends those of the named sessions, KEYS 5 on, that are the owner's, which is ARGV[2].
local ended = 0
for at = 5, #KEYS do
    local row = standing(KEYS[at])
    if row and not row[IS_TRACE] and row[OWNER] == ARGV[2] then
        redis.call('DEL', KEYS[at])
        ended = ended + 1
    end
    redis.call('ZREM', KEYS[4], name_of(KEYS[at]))
end
return ended
