-- ARGV: 2 the session's owner, where the caller knows it. Answers 0 where no session is, 1 where one is, and 2 and its owner
-- where the owner's index has to be kept longer too. KEYS[4] is that index then.
local row = live(KEYS[1])
if not row then
    return {0}
end
if now > tonumber(row[SEEN]) then
    local idle, cap = tonumber(row[IDLE]), tonumber(row[CAP])
    local ends = math.min(now + idle, cap, NEVER)
    local moves_index = row[OWNER] and cap >= NEVER and idle < NEVER
    if moves_index and row[OWNER] ~= ARGV[2] then
        return {2, row[OWNER]}
    end
    -- First, for it takes no memory: behind such a command a full server takes the others.
    expire(KEYS[1], ends)
    redis.call('HSET', KEYS[1], 'seen', ARGV[1])
    if moves_index then
        index(KEYS[1], ends)
    end
end
return {1}
