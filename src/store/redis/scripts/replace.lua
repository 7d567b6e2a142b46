-- An update, or a rotation to another key.
-- ARGV: 2 limit, 3 refuse, 4-9 the session, 10 the revision that it replaces, 11 a trace or nothing, 12 its end, 13 whether the
-- answer to the same call may have been lost.
-- KEYS: 1 where it stands, 5 where it will, then the owner's sessions.
local session = session_of(4)
if ARGV[13] == '1' and has_token(redis.call('HMGET', KEYS[5], 'rev', 'was'), session.rev) then
    return {'stored'}
end
local row = live(KEYS[1])
if not row then
    return {'gone'}
end
if row[REV] ~= ARGV[10] then
    return {'conflict', row[REV], row[WAS], row[SEEN], redis.call('HGET', KEYS[1], 'body')}
end
if KEYS[5] ~= KEYS[1] and live(KEYS[5]) then
    return {'taken'}
end
local over
if row[OWNER] ~= session.owner then
    local mine = {[name_of(KEYS[1])] = true, [name_of(KEYS[5])] = true}
    over = room(session.owner, tonumber(ARGV[2]), ARGV[3] == '1', mine, 6)
    if over == 'look' or over == 'limit' then
        return {over}
    end
end
if tonumber(row[SEEN]) > tonumber(session.seen) then
    session.seen = row[SEEN]
end
session.was = string.sub(row[REV] .. (row[WAS] or ''), 1, 32)
store(KEYS[5], session)
redis.call('ZREM', KEYS[3], name_of(KEYS[5]))
finish(over)
local dropped
if KEYS[5] ~= KEYS[1] then
    redis.call('DEL', KEYS[1])
    if session.owner ~= '' then
        redis.call('ZREM', KEYS[4], name_of(KEYS[1]))
    end
    if ARGV[11] ~= '' then
        dropped = leave(KEYS[1], ARGV[11], ARGV[12])
    end
end
return {'stored', dropped}
