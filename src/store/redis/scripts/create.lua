-- ARGV: 2 limit, 3 refuse, 4-9 the session, 10 the number of traces, and for each its bytes, its end, and the bytes of the one
-- that the caller has joined it with. KEYS: 5 on, those of the traces, then the owner's sessions.
local session, traces = session_of(4), tonumber(ARGV[10])
if live(KEYS[1]) then
    return {'taken'}
end
local dropped = {}
for n = 1, traces do
    local row, ends = standing(KEYS[4 + n])
    if row and row[IS_TRACE] and ends > now and row[IS_TRACE] ~= ARGV[10 + 3 * n] then
        return {'join', n, row[IS_TRACE]}
    end
end
local over = room(session.owner, tonumber(ARGV[2]), ARGV[3] == '1', {[name_of(KEYS[1])] = true}, 5 + traces)
if over == 'look' or over == 'limit' then
    return {over}
end
session.was = ''
store(KEYS[1], session)
redis.call('ZREM', KEYS[3], name_of(KEYS[1]))
finish(over)
for n = 1, traces do
    if KEYS[4 + n] ~= KEYS[1] and not live(KEYS[4 + n]) then
        dropped[#dropped + 1] = leave(KEYS[4 + n], ARGV[8 + 3 * n], ARGV[9 + 3 * n])
    end
end
return {'stored', unpack(dropped)}
