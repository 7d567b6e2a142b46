-- ARGV: 2 a trace or nothing, 3 its end. A session that is over may count as there; a trace does not, and stays.
local row = standing(KEYS[1])
if not row then
    return {0}
end
if row[IS_TRACE] then
    return {0}
end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then
    return {1, leave(KEYS[1], ARGV[2], ARGV[3])}
end
return {1}
