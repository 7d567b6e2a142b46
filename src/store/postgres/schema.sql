-- A server without clients of other versions may run these as one transaction. Each of them may run again.
CREATE TABLE IF NOT EXISTS cloakroom.sessions (
    key   bytea PRIMARY KEY,
    rev   bytea NOT NULL,
    was   bytea NOT NULL,
    seen  bigint NOT NULL,
    idle  bigint NOT NULL,
    cap   bigint NOT NULL,
    ends  bigint NOT NULL,
    due   bigint NOT NULL,
    trace boolean NOT NULL,
    owner bytea,
    body  bytea NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX IF NOT EXISTS sessions_by_owner ON cloakroom.sessions (owner) WHERE owner IS NOT NULL;

CREATE INDEX IF NOT EXISTS sessions_by_due ON cloakroom.sessions (due);

CREATE INDEX IF NOT EXISTS sessions_by_trace ON cloakroom.sessions (due) WHERE trace;

-- The end of a session is durable when it is acknowledged, also where the server does not wait for others. What was decided
-- on may not be durable yet, so there is a transaction to wait for even where nothing is written.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_durably() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true), txid_current();
    END IF;
END $$;

CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_touch(p_key bytea, p_now bigint)
RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    UPDATE cloakroom.sessions SET seen = p_now, ends = LEAST(p_now + idle, cap)
    WHERE key = p_key AND NOT trace AND ends > p_now AND seen < p_now;
    RETURN FOUND OR EXISTS (
        SELECT FROM cloakroom.sessions WHERE key = p_key AND NOT trace AND ends > p_now);
END $$;

-- Removes sessions and traces that are over, and traces beyond their number, if one is given: those that end first. A session
-- that was touched is only put off.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_sweep(
    p_now bigint, p_budget integer, p_traces bigint, OUT removed bigint, OUT more boolean
) LANGUAGE plpgsql AS $$
DECLARE
    looked bigint;
    beyond bytea[];
BEGIN
    WITH looks AS MATERIALIZED (
        SELECT key, ends FROM cloakroom.sessions WHERE due <= p_now
        ORDER BY due LIMIT p_budget FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM cloakroom.sessions s USING looks
        WHERE s.key = looks.key AND looks.ends <= p_now AND s.ends <= p_now RETURNING s.trace
    ), later AS (
        UPDATE cloakroom.sessions s SET due = s.ends FROM looks WHERE s.key = looks.key AND looks.ends > p_now
    )
    SELECT (SELECT count(*) FROM gone WHERE NOT trace), (SELECT count(*) FROM looks) INTO removed, looked;
    more := looked = p_budget AND EXISTS (SELECT FROM cloakroom.sessions WHERE due <= p_now);
    IF p_traces IS NOT NULL AND NOT more THEN
        beyond := ARRAY(
            SELECT key FROM cloakroom.sessions WHERE trace
            ORDER BY due DESC OFFSET p_traces LIMIT p_budget - looked + 1);
        more := cardinality(beyond) > p_budget - looked;
        DELETE FROM cloakroom.sessions WHERE key IN (
            SELECT key FROM cloakroom.sessions WHERE key = ANY (beyond[:p_budget - looked]) AND trace
            FOR UPDATE SKIP LOCKED);
    END IF;
END $$;

-- One trace made of two: of one kind, it has the latest four successors of both.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_join(
    p_old bytea, p_old_ends bigint, p_new bytea, p_new_ends bigint
) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    older bytea := '';
    successor bytea;
BEGIN
    IF substring(p_old FOR 2) <> substring(p_new FOR 2) THEN
        RETURN p_new;
    END IF;
    FOR n IN 0 .. (length(p_old) - 10) / 16 - 1 LOOP
        successor := substring(p_old FROM 11 + 16 * n FOR 16);
        IF NOT EXISTS (
            SELECT FROM generate_series(0, (length(p_new) - 10) / 16 - 1) AS m
            WHERE substring(p_new FROM 11 + 16 * m FOR 16) = successor
        ) THEN
            older := older || successor;
        END IF;
    END LOOP;
    older := older || substring(p_new FROM 11);
    RETURN substring(CASE WHEN p_old_ends > p_new_ends THEN p_old ELSE p_new END FOR 10)
        || substring(older FROM GREATEST(length(older) - 63, 1));
END $$;

-- Leaves a trace where no session lives.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_leave(p_key bytea, p_trace bytea, p_ends bigint, p_now bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO cloakroom.sessions AS s (key, rev, was, seen, idle, cap, ends, due, trace, owner, body)
    VALUES (p_key, '', '', 0, 0, p_ends, p_ends, p_ends, true, NULL, p_trace)
    ON CONFLICT (key) DO UPDATE SET
        rev = '', was = '', seen = 0, idle = 0, cap = EXCLUDED.cap, trace = true, owner = NULL,
        ends = CASE WHEN s.trace AND s.ends > p_now AND substring(s.body FOR 2) = substring(p_trace FOR 2)
            THEN GREATEST(s.ends, p_ends) ELSE p_ends END,
        due = CASE WHEN s.trace AND s.ends > p_now AND substring(s.body FOR 2) = substring(p_trace FOR 2)
            THEN GREATEST(s.ends, p_ends) ELSE p_ends END,
        body = CASE WHEN s.trace AND s.ends > p_now
            THEN cloakroom.sessions_v1_join(s.body, s.ends, p_trace, p_ends) ELSE p_trace END
    WHERE s.trace OR s.ends <= p_now;
$$;

-- Makes room for one more session of an owner, or says that there is none. The lock is taken by a statement of its own, so
-- the next one sees what others stored who had it before.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_room(
    p_owner bytea, p_key bytea, p_old bytea, p_now bigint, p_limit integer, p_refuse boolean
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
    live bigint;
    oldest record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('cloakroom.sessions/' || encode(p_owner, 'hex'), 0));
    SELECT count(*), count(*) FILTER (WHERE ends > p_now) INTO stored, live
    FROM cloakroom.sessions WHERE owner = p_owner AND key <> p_key AND key IS DISTINCT FROM p_old;
    IF p_refuse AND live >= p_limit THEN
        RETURN false;
    END IF;
    FOR oldest IN
        SELECT key FROM cloakroom.sessions
        WHERE owner = p_owner AND key <> p_key AND key IS DISTINCT FROM p_old
        ORDER BY ends > p_now, CASE WHEN ends > p_now THEN seen ELSE ends END, key
        LIMIT GREATEST(stored + 1 - p_limit, 0) FOR UPDATE
    LOOP
        DELETE FROM cloakroom.sessions WHERE key = oldest.key;
    END LOOP;
    RETURN true;
END $$;

-- Answers 0 stored, 3 the key is taken, 4 beyond the owner's limit.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_create(
    p_key bytea, p_rev bytea, p_seen bigint, p_idle bigint, p_cap bigint, p_owner bytea, p_body bytea,
    p_now bigint, p_limit integer, p_refuse boolean,
    p_trace_keys bytea[], p_traces bytea[], p_trace_ends bigint[], p_over bigint
) RETURNS integer LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM FROM cloakroom.sessions WHERE key = p_key AND NOT trace AND ends > p_now FOR UPDATE;
    IF FOUND THEN
        RETURN 3;
    END IF;
    IF p_limit IS NOT NULL AND p_owner IS NOT NULL
        AND NOT cloakroom.sessions_v1_room(p_owner, p_key, NULL, p_now, p_limit, p_refuse) THEN
        RETURN 4;
    END IF;
    INSERT INTO cloakroom.sessions AS s (key, rev, was, seen, idle, cap, ends, due, trace, owner, body)
    VALUES (p_key, p_rev, '', p_seen, p_idle, p_cap, LEAST(p_seen + p_idle, p_cap), LEAST(p_seen + p_idle, p_cap),
        false, p_owner, p_body)
    ON CONFLICT (key) DO UPDATE SET
        rev = EXCLUDED.rev, was = '', seen = EXCLUDED.seen, idle = EXCLUDED.idle, cap = EXCLUDED.cap,
        ends = EXCLUDED.ends, due = EXCLUDED.due, trace = false, owner = EXCLUDED.owner, body = EXCLUDED.body
    WHERE s.trace OR s.ends <= p_now;
    IF NOT FOUND THEN
        -- Another took the key in between. What was done to make room is undone.
        RAISE unique_violation;
    END IF;
    FOR n IN 1 .. cardinality(p_trace_keys) LOOP
        PERFORM cloakroom.sessions_v1_leave(p_trace_keys[n], p_traces[n], p_trace_ends[n], p_now);
    END LOOP;
    -- Two more than there are traces, so that what is over cannot grow.
    PERFORM cloakroom.sessions_v1_sweep(p_over, 2 + cardinality(p_trace_keys), NULL);
    RETURN 0;
END $$;

-- An update, and a rotation if the new key is another. Answers 0 stored, 1 conflict and the row as it is, 2 gone, 3 the new
-- key is taken, 4 beyond the owner's limit, 5 unknown: a write that is sent again after its answer was lost (p_again) may
-- have been done and been overwritten more than four times, or ended.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_replace(
    p_old bytea, p_expected bytea, p_again boolean,
    p_key bytea, p_rev bytea, p_seen bigint, p_idle bigint, p_cap bigint, p_owner bytea, p_body bytea,
    p_now bigint, p_limit integer, p_refuse boolean, p_trace bytea, p_trace_ends bigint, p_over bigint,
    OUT o_status integer, OUT o_key bytea, OUT o_rev bytea, OUT o_seen bigint, OUT o_ends bigint,
    OUT o_trace boolean, OUT o_body bytea
) LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    s cloakroom.sessions%ROWTYPE;
    the_end bigint;
BEGIN
    IF p_old <> p_key THEN
        PERFORM cloakroom.sessions_v1_durably();
    END IF;
    SELECT * INTO s FROM cloakroom.sessions WHERE key = p_old FOR UPDATE;
    IF p_again THEN
        IF p_old <> p_key THEN
            SELECT * INTO s FROM cloakroom.sessions WHERE key = p_key FOR UPDATE;
        END IF;
        IF p_rev IN (s.rev, substring(s.was FOR 8), substring(s.was FROM 9 FOR 8), substring(s.was FROM 17 FOR 8),
            substring(s.was FROM 25 FOR 8)) THEN
            o_status := 0;
            RETURN;
        END IF;
        SELECT * INTO s FROM cloakroom.sessions WHERE key = p_old;
    END IF;
    IF s.key IS NULL OR s.trace OR s.ends <= p_now THEN
        o_status := CASE WHEN p_again THEN 5 ELSE 2 END;
        RETURN;
    END IF;
    IF s.rev <> p_expected THEN
        o_status := CASE WHEN p_again AND p_expected NOT IN (substring(s.was FOR 8), substring(s.was FROM 9 FOR 8),
            substring(s.was FROM 17 FOR 8), substring(s.was FROM 25 FOR 8)) THEN 5 ELSE 1 END;
        o_key := s.key; o_rev := s.rev; o_seen := s.seen; o_ends := s.ends; o_trace := s.trace; o_body := s.body;
        RETURN;
    END IF;
    IF p_old <> p_key THEN
        PERFORM FROM cloakroom.sessions WHERE key = p_key AND NOT trace AND ends > p_now FOR UPDATE;
        IF FOUND THEN
            o_status := 3;
            RETURN;
        END IF;
    END IF;
    IF p_limit IS NOT NULL AND p_owner IS NOT NULL AND p_owner IS DISTINCT FROM s.owner
        AND NOT cloakroom.sessions_v1_room(p_owner, p_key, p_old, p_now, p_limit, p_refuse) THEN
        o_status := 4;
        RETURN;
    END IF;
    IF p_old <> p_key THEN
        DELETE FROM cloakroom.sessions WHERE key = p_key AND (trace OR ends <= p_now);
    END IF;
    the_end := LEAST(GREATEST(p_seen, s.seen) + p_idle, p_cap);
    UPDATE cloakroom.sessions SET
        key = p_key, rev = p_rev, was = substring(rev || was FOR 32), seen = GREATEST(p_seen, s.seen), idle = p_idle,
        cap = p_cap, ends = the_end, due = LEAST(due, the_end), owner = p_owner, body = p_body
    WHERE key = p_old;
    IF p_trace IS NOT NULL THEN
        PERFORM cloakroom.sessions_v1_leave(p_old, p_trace, p_trace_ends, p_now);
    END IF;
    IF p_old <> p_key THEN
        PERFORM cloakroom.sessions_v1_sweep(p_over, 2, NULL);
    END IF;
    o_status := 0;
END $$;

CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_destroy(p_key bytea, p_trace bytea, p_ends bigint)
RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM cloakroom.sessions_v1_durably();
    IF p_trace IS NULL THEN
        DELETE FROM cloakroom.sessions WHERE key = p_key AND NOT trace;
    ELSE
        UPDATE cloakroom.sessions SET
            rev = '', was = '', seen = 0, idle = 0, cap = p_ends, ends = p_ends, due = p_ends, trace = true,
            owner = NULL, body = p_trace
        WHERE key = p_key AND NOT trace;
    END IF;
    RETURN FOUND;
END $$;

-- A session that rotates meanwhile is the same row, and goes when the rotation is done.
CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_destroy_owned(p_owner bytea, p_except bytea)
RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM cloakroom.sessions_v1_durably();
    DELETE FROM cloakroom.sessions WHERE owner = p_owner AND key IS DISTINCT FROM p_except;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

CREATE OR REPLACE FUNCTION cloakroom.sessions_v1_clear() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cloakroom.sessions_v1_durably();
    DELETE FROM cloakroom.sessions;
END $$;

COMMENT ON TABLE cloakroom.sessions IS 'cloakroom schema 1';
