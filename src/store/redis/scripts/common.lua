-- What all scripts share. KEYS[1] is a session's key, KEYS[2] the epoch, KEYS[3] the index of traces, KEYS[4] the owner's
-- index. A key that a script has no use for is the session's.
-- ARGV[1] is the caller's time in milliseconds, as all times are.

local NEVER = 253402300799999
-- How long something stays that is over: nodes' clocks differ, and what is over by one may live by another.
local MARGIN = 600000
-- The longest life of a trace.
local TRACE = 600000

local now = tonumber(ARGV[1])
local epoch = redis.call('GET', KEYS[2]) or ''

local FIELDS = {'rev', 'was', 'seen', 'idle', 'cap', 'owner', 'trace', 'ends', 'epoch'}
local REV, WAS, SEEN, IDLE, CAP, OWNER, IS_TRACE, ENDS, EPOCH = 1, 2, 3, 4, 5, 6, 7, 8, 9

local function integer(number)
    return string.format('%.0f', number)
end

-- The fields of what stands under a key, and when that ends. Nothing, where a clear has ended it.
local function standing(key)
    local row = redis.call('HMGET', key, unpack(FIELDS))
    if row[EPOCH] ~= epoch then
        return nil
    end
    if row[IS_TRACE] then
        return row, tonumber(row[ENDS])
    end
    -- What cannot be read never ends by itself.
    local idle_ends = (tonumber(row[SEEN]) or NEVER) + (tonumber(row[IDLE]) or NEVER)
    return row, math.min(idle_ends, tonumber(row[CAP]) or NEVER, NEVER)
end

-- The fields of a session that lives.
local function live(key)
    local row, ends = standing(key)
    if row and not row[IS_TRACE] and ends > now then
        return row
    end
end

-- The server removes a key by itself, a while after it is over. It counts from the caller's time, not by its own clock.
local function expire(key, ends)
    if ends >= NEVER then
        redis.call('PERSIST', key)
    else
        redis.call('PEXPIRE', key, integer(math.max(ends - now, 0) + MARGIN))
    end
end

local function name_of(key)
    return string.sub(key, -32)
end

-- Whether a token is that of the last write, or of one of the four before it.
local function has_token(row, token)
    if row[REV] == token then
        return true
    end
    local was = row[WAS] or ''
    for at = 1, #was, 8 do
        if string.sub(was, at, at + 7) == token then
            return true
        end
    end
    return false
end

-- Leaves a trace where nothing lives. Beyond the bound the one goes that would have ended first: its key is returned, for a
-- script of its own, because a script declares all keys that it uses.
local function leave(key, trace, ends)
    redis.call('HSET', key, 'trace', trace, 'ends', ends, 'epoch', epoch)
    redis.call('HDEL', key, 'rev', 'was', 'seen', 'idle', 'cap', 'owner', 'body')
    redis.call('PEXPIRE', key, TRACE + MARGIN)
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. integer(math.max(now - MARGIN, 0)))
    redis.call('ZADD', KEYS[3], ends, name_of(key))
    redis.call('PEXPIRE', KEYS[3], TRACE + MARGIN)
    if redis.call('ZCARD', KEYS[3]) > MOST_TRACES then
        return redis.call('ZPOPMIN', KEYS[3])[1]
    end
end

-- Names a session in its owner's index, by the time at which it is over for certain. What is over goes. The index may name what
-- is no session of the owner any more; whatever reads it looks.
local function index(key, bound)
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. integer(now - MARGIN))
    redis.call('ZADD', KEYS[4], integer(bound), name_of(key))
    expire(KEYS[4], tonumber(redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]))
end

-- Writes a session, and its owner's index.
local function store(key, session)
    redis.call('HSET', key, 'rev', session.rev, 'was', session.was, 'seen', session.seen, 'idle', session.idle,
        'cap', session.cap, 'body', session.body, 'epoch', epoch)
    redis.call('HDEL', key, 'owner', 'trace', 'ends')
    local cap = tonumber(session.cap)
    local ends = math.min(tonumber(session.seen) + tonumber(session.idle), cap, NEVER)
    expire(key, ends)
    if session.owner ~= '' then
        redis.call('HSET', key, 'owner', session.owner)
        -- Touches do not move an absolute deadline.
        index(key, cap < NEVER and cap or ends)
    end
end

-- Which sessions of the owner have to end so that one more may begin: nil where there is room, a list of keys, 'look' where
-- the caller has to name the owner's sessions first, or 'limit'. `mine` are the keys that do not count.
local function room(owner, limit, refuse, mine, first)
    if owner == '' or limit == 0 or redis.call('ZCARD', KEYS[4]) < limit then
        return nil
    end
    local named = {}
    for at = first, #KEYS do
        named[name_of(KEYS[at])] = KEYS[at]
    end
    local others, stale = {}, {}
    for _, name in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
        if not mine[name] then
            local key = named[name]
            if not key then
                return 'look'
            end
            local row, ends = standing(key)
            if row and not row[IS_TRACE] and row[OWNER] == owner then
                local lives = ends > now
                others[#others + 1] = {lives = lives, at = lives and tonumber(row[SEEN]) or ends, key = key}
            else
                stale[#stale + 1] = name
            end
        end
    end
    for _, name in ipairs(stale) do
        redis.call('ZREM', KEYS[4], name)
    end
    local surplus = #others + 1 - limit
    if surplus <= 0 then
        return nil
    end
    table.sort(others, function(a, b)
        if a.lives ~= b.lives then
            return b.lives
        end
        if a.at ~= b.at then
            return a.at < b.at
        end
        return a.key < b.key
    end)
    if surplus > #others or (refuse and others[surplus].lives) then
        return 'limit'
    end
    local over = {}
    for at = 1, surplus do
        over[at] = others[at].key
    end
    return over
end

local function finish(over)
    for _, key in ipairs(over or {}) do
        redis.call('DEL', key)
        redis.call('ZREM', KEYS[4], name_of(key))
    end
end

-- The session that the caller wrote into ARGV, from `first` on.
local function session_of(first)
    return {rev = ARGV[first], seen = ARGV[first + 1], idle = ARGV[first + 2], cap = ARGV[first + 3],
        owner = ARGV[first + 4], body = ARGV[first + 5]}
end
