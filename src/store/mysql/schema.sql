DELIMITER //
CREATE TABLE IF NOT EXISTS cloakroom_sessions (
    id    bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `key` binary(16) NOT NULL,
    rev   binary(8) NOT NULL,
    was   varbinary(32) NOT NULL,
    seen  bigint NOT NULL,
    idle  bigint NOT NULL,
    cap   bigint NOT NULL,
    ends  bigint NOT NULL,
    due   bigint NOT NULL,
    trace tinyint NOT NULL,
    owner varbinary(255),
    body  longblob NOT NULL,
    UNIQUE KEY by_key (`key`),
    KEY by_owner (owner),
    KEY by_due (trace, due)
) ENGINE = InnoDB CHARACTER SET binary
//
-- Rows to lock while an owner's sessions are counted; owners share them.
CREATE TABLE IF NOT EXISTS cloakroom_sessions_locks (
    n int NOT NULL PRIMARY KEY
) ENGINE = InnoDB
//
INSERT IGNORE INTO cloakroom_sessions_locks (n)
SELECT a.n + 4 * b.n + 16 * c.n + 64 * d.n FROM
    (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS a,
    (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS b,
    (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS c,
    (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS d
//
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_touch(p_key binary(16), p_now bigint)
SQL SECURITY INVOKER
BEGIN
    UPDATE cloakroom_sessions SET ends = LEAST(p_now + idle, cap), seen = p_now
    WHERE `key` = p_key AND trace = 0 AND ends > p_now AND seen < p_now;
    IF ROW_COUNT() > 0 THEN
        SELECT 1;
    ELSE
        SELECT COUNT(*) FROM cloakroom_sessions WHERE `key` = p_key AND trace = 0 AND ends > p_now;
    END IF;
END
//
-- Removes sessions that are over, traces that are over, and traces beyond their number, if one is given: those that end first.
-- It does so in the caller's transaction. A session that was touched is only put off.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_swept(
    p_now bigint, p_budget bigint, p_traces bigint, OUT p_removed bigint, OUT p_looked bigint
)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_id bigint;
    DECLARE v_trace tinyint DEFAULT 0;
    DECLARE v_until bigint DEFAULT p_now;
    DECLARE v_most bigint DEFAULT p_budget;
    DECLARE v_pass int DEFAULT 1;
    DECLARE v_done int;
    DECLARE looks CURSOR FOR
        SELECT id FROM cloakroom_sessions WHERE trace = v_trace AND due <= v_until
        ORDER BY due LIMIT v_most FOR UPDATE SKIP LOCKED;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
    SET p_removed = 0, p_looked = 0;
    WHILE v_pass <= 3 AND v_most > 0 DO
        SET v_done = 0;
        OPEN looks;
        each_row: LOOP
            FETCH looks INTO v_id;
            IF v_done THEN
                LEAVE each_row;
            END IF;
            SET p_looked = p_looked + 1;
            DELETE FROM cloakroom_sessions WHERE id = v_id AND ends <= v_until;
            IF ROW_COUNT() = 0 THEN
                UPDATE cloakroom_sessions SET due = ends WHERE id = v_id AND due <= p_now;
            ELSEIF v_trace = 0 THEN
                SET p_removed = p_removed + 1;
            END IF;
        END LOOP;
        CLOSE looks;
        SET v_pass = v_pass + 1, v_trace = 1, v_most = p_budget - p_looked;
        IF v_pass = 3 AND p_traces IS NULL THEN
            SET v_pass = 4;
        ELSEIF v_pass = 3 THEN
            SET v_until = 9223372036854775807;
            SELECT LEAST(v_most, COUNT(*) - p_traces) INTO v_most FROM cloakroom_sessions WHERE trace = 1;
        END IF;
    END WHILE;
END
//
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_sweep(p_now bigint, p_budget bigint, p_traces bigint)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_removed bigint;
    DECLARE v_looked bigint;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    CALL cloakroom_sessions_v1_swept(p_now, p_budget, p_traces, v_removed, v_looked);
    COMMIT;
    SELECT v_removed, v_looked = p_budget AND (
        EXISTS (SELECT 1 FROM cloakroom_sessions WHERE trace IN (0, 1) AND due <= p_now)
        OR (SELECT COUNT(*) FROM cloakroom_sessions WHERE trace = 1) > p_traces);
END
//
-- One trace made of two: of one kind, it has the latest four successors of both.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_join(
    p_old varbinary(255), p_old_ends bigint, p_new varbinary(255), p_new_ends bigint, OUT p_joined varbinary(255)
)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_keys varbinary(255) DEFAULT '';
    DECLARE v_at int DEFAULT 11;
    DECLARE v_in int;
    DECLARE v_is_new int;
    IF LEFT(p_old, 2) <> LEFT(p_new, 2) THEN
        SET p_joined = p_new;
    ELSE
        WHILE v_at < LENGTH(p_old) DO
            SET v_in = 11, v_is_new = 0;
            WHILE v_in < LENGTH(p_new) DO
                IF SUBSTRING(p_new, v_in, 16) = SUBSTRING(p_old, v_at, 16) THEN
                    SET v_is_new = 1;
                END IF;
                SET v_in = v_in + 16;
            END WHILE;
            IF v_is_new = 0 THEN
                SET v_keys = CONCAT(v_keys, SUBSTRING(p_old, v_at, 16));
            END IF;
            SET v_at = v_at + 16;
        END WHILE;
        SET v_keys = RIGHT(CONCAT(v_keys, SUBSTRING(p_new, 11)), 64);
        SET p_joined = CONCAT(LEFT(IF(p_old_ends > p_new_ends, p_old, p_new), 10), v_keys);
    END IF;
END
//
-- Leaves a trace where no session lives, in the caller's transaction.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_leave(
    p_key binary(16), p_trace varbinary(255), p_ends bigint, p_now bigint
)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_id bigint;
    DECLARE v_trace tinyint;
    DECLARE v_ends bigint;
    DECLARE v_body longblob;
    DECLARE v_joined varbinary(255) DEFAULT p_trace;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_id = NULL;
    SELECT id, trace, ends INTO v_id, v_trace, v_ends FROM cloakroom_sessions WHERE `key` = p_key FOR UPDATE;
    IF v_id IS NULL THEN
        INSERT INTO cloakroom_sessions (`key`, rev, was, seen, idle, cap, ends, due, trace, owner, body)
        VALUES (p_key, '', '', 0, 0, p_ends, p_ends, p_ends, 1, NULL, p_trace);
    ELSEIF v_trace = 1 OR v_ends <= p_now THEN
        IF v_trace = 1 AND v_ends > p_now THEN
            SELECT body INTO v_body FROM cloakroom_sessions WHERE id = v_id;
            CALL cloakroom_sessions_v1_join(v_body, v_ends, p_trace, p_ends, v_joined);
            SET p_ends = IF(LEFT(v_body, 2) = LEFT(p_trace, 2), GREATEST(v_ends, p_ends), p_ends);
        END IF;
        UPDATE cloakroom_sessions SET
            rev = '', was = '', seen = 0, idle = 0, cap = p_ends, ends = p_ends, due = p_ends, trace = 1, owner = NULL,
            body = v_joined
        WHERE id = v_id;
    END IF;
END
//
-- Makes room for one more session of an owner, in the caller's transaction, or says that there is none. The lock is taken by
-- a statement of its own, so the next one sees what others stored who had it before.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_room(
    p_owner varbinary(255), p_id bigint, p_new bigint, p_now bigint, p_limit int, p_refuse tinyint, OUT p_room int
)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_n int;
    DECLARE v_stored int;
    DECLARE v_live int;
    SELECT n INTO v_n FROM cloakroom_sessions_locks WHERE n = CRC32(p_owner) % 256 FOR UPDATE;
    SELECT COUNT(*), COUNT(IF(ends > p_now, 1, NULL)) INTO v_stored, v_live FROM cloakroom_sessions
    WHERE owner = p_owner AND id <> COALESCE(p_id, 0) AND id <> COALESCE(p_new, 0);
    SET p_room = NOT (p_refuse AND v_live >= p_limit), v_n = v_stored + 1 - p_limit;
    IF p_room AND v_n > 0 THEN
        DELETE FROM cloakroom_sessions
        WHERE owner = p_owner AND id <> COALESCE(p_id, 0) AND id <> COALESCE(p_new, 0)
        ORDER BY ends > p_now, IF(ends > p_now, seen, ends), `key` LIMIT v_n;
    END IF;
END
//
-- Answers 0 stored, 3 the key is taken, 4 beyond the owner's limit. The traces are 99 bytes each: 16 of the key, 8 of the
-- end, 1 of the length, and the trace.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_create(
    p_key binary(16), p_rev binary(8), p_seen bigint, p_idle bigint, p_cap bigint, p_owner varbinary(255),
    p_body longblob, p_now bigint, p_limit int, p_refuse tinyint, p_traces longblob, p_over bigint
)
SQL SECURITY INVOKER
create_it: BEGIN
    DECLARE v_id bigint;
    DECLARE v_trace tinyint;
    DECLARE v_ends bigint;
    DECLARE v_at int DEFAULT 1;
    DECLARE v_room int DEFAULT 1;
    DECLARE v_removed bigint;
    DECLARE v_looked bigint;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_id = NULL;
    START TRANSACTION;
    SELECT id, trace, ends INTO v_id, v_trace, v_ends FROM cloakroom_sessions WHERE `key` = p_key FOR UPDATE;
    IF v_id IS NOT NULL AND v_trace = 0 AND v_ends > p_now THEN
        ROLLBACK;
        SELECT 3;
        LEAVE create_it;
    END IF;
    IF p_limit IS NOT NULL AND p_owner IS NOT NULL THEN
        CALL cloakroom_sessions_v1_room(p_owner, v_id, NULL, p_now, p_limit, p_refuse, v_room);
        IF NOT v_room THEN
            ROLLBACK;
            SELECT 4;
            LEAVE create_it;
        END IF;
    END IF;
    SET v_ends = LEAST(p_seen + p_idle, p_cap);
    IF v_id IS NULL THEN
        INSERT INTO cloakroom_sessions (`key`, rev, was, seen, idle, cap, ends, due, trace, owner, body)
        VALUES (p_key, p_rev, '', p_seen, p_idle, p_cap, v_ends, v_ends, 0, p_owner, p_body);
    ELSE
        UPDATE cloakroom_sessions SET
            rev = p_rev, was = '', seen = p_seen, idle = p_idle, cap = p_cap, ends = v_ends, due = v_ends, trace = 0,
            owner = p_owner, body = p_body
        WHERE id = v_id;
    END IF;
    WHILE v_at < LENGTH(p_traces) DO
        CALL cloakroom_sessions_v1_leave(
            SUBSTRING(p_traces, v_at, 16),
            SUBSTRING(p_traces, v_at + 25, ORD(SUBSTRING(p_traces, v_at + 24, 1))),
            CAST(CONV(HEX(SUBSTRING(p_traces, v_at + 16, 8)), 16, 10) AS SIGNED), p_now);
        SET v_at = v_at + 99;
    END WHILE;
    -- Two more than there are traces, so that what is over cannot grow.
    CALL cloakroom_sessions_v1_swept(p_over, 2 + LENGTH(p_traces) DIV 99, NULL, v_removed, v_looked);
    COMMIT;
    SELECT 0;
END
//
-- An update, and a rotation if the new key is another. Answers 0 stored, 1 conflict and the row as it is, 2 gone, 3 the new
-- key is taken, 4 beyond the owner's limit, 5 unknown: a write that is sent again after its answer was lost (p_again) may
-- have been done and been overwritten more than four times, or ended. The row stays the same when its key changes, so what
-- waits for it by its owner finds it.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_replace(
    p_old binary(16), p_expected binary(8), p_again tinyint, p_key binary(16), p_rev binary(8), p_seen bigint,
    p_idle bigint, p_cap bigint, p_owner varbinary(255), p_body longblob, p_now bigint, p_limit int, p_refuse tinyint,
    p_trace varbinary(255), p_trace_ends bigint, p_over bigint
)
SQL SECURITY INVOKER
replace_it: BEGIN
    DECLARE v_id bigint;
    DECLARE v_rev binary(8);
    DECLARE v_was varbinary(32);
    DECLARE v_seen bigint;
    DECLARE v_ends bigint;
    DECLARE v_trace tinyint;
    DECLARE v_owner varbinary(255);
    DECLARE v_new bigint;
    DECLARE v_status int DEFAULT 0;
    DECLARE v_room int DEFAULT 1;
    DECLARE v_removed bigint;
    DECLARE v_looked bigint;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
    START TRANSACTION;
    SELECT id, rev, was, seen, ends, trace, owner INTO v_id, v_rev, v_was, v_seen, v_ends, v_trace, v_owner
    FROM cloakroom_sessions WHERE `key` = p_old FOR UPDATE;
    IF p_again AND EXISTS (
        SELECT 1 FROM cloakroom_sessions WHERE `key` = p_key AND p_rev IN (rev, SUBSTRING(was, 1, 8),
            SUBSTRING(was, 9, 8), SUBSTRING(was, 17, 8), SUBSTRING(was, 25, 8))
    ) THEN
        COMMIT;
        SELECT 0;
        LEAVE replace_it;
    END IF;
    IF v_id IS NULL OR v_trace = 1 OR v_ends <= p_now THEN
        ROLLBACK;
        SELECT IF(p_again, 5, 2);
        LEAVE replace_it;
    END IF;
    IF v_rev <> p_expected THEN
        SET v_status = IF(p_again AND p_expected NOT IN (SUBSTRING(v_was, 1, 8), SUBSTRING(v_was, 9, 8),
            SUBSTRING(v_was, 17, 8), SUBSTRING(v_was, 25, 8)), 5, 1);
        SELECT v_status, `key`, rev, seen, ends, trace, body FROM cloakroom_sessions WHERE id = v_id;
        ROLLBACK;
        LEAVE replace_it;
    END IF;
    IF p_old <> p_key THEN
        SELECT id, ends, trace INTO v_new, v_ends, v_trace FROM cloakroom_sessions WHERE `key` = p_key FOR UPDATE;
        IF v_new IS NOT NULL AND v_trace = 0 AND v_ends > p_now THEN
            ROLLBACK;
            SELECT 3;
            LEAVE replace_it;
        END IF;
    END IF;
    IF p_limit IS NOT NULL AND p_owner IS NOT NULL AND NOT (p_owner <=> v_owner) THEN
        CALL cloakroom_sessions_v1_room(p_owner, v_id, v_new, p_now, p_limit, p_refuse, v_room);
        IF NOT v_room THEN
            ROLLBACK;
            SELECT 4;
            LEAVE replace_it;
        END IF;
    END IF;
    IF v_new IS NOT NULL THEN
        DELETE FROM cloakroom_sessions WHERE id = v_new;
    END IF;
    SET v_seen = GREATEST(p_seen, v_seen), v_ends = LEAST(GREATEST(p_seen, v_seen) + p_idle, p_cap);
    UPDATE cloakroom_sessions SET
        `key` = p_key, rev = p_rev, was = LEFT(CONCAT(v_rev, v_was), 32), seen = v_seen, idle = p_idle, cap = p_cap,
        ends = v_ends, due = LEAST(due, v_ends), owner = p_owner, body = p_body
    WHERE id = v_id;
    IF p_trace IS NOT NULL THEN
        CALL cloakroom_sessions_v1_leave(p_old, p_trace, p_trace_ends, p_now);
    END IF;
    IF p_old <> p_key THEN
        CALL cloakroom_sessions_v1_swept(p_over, 2, NULL, v_removed, v_looked);
    END IF;
    COMMIT;
    SELECT 0;
END
//
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_destroy(
    p_key binary(16), p_trace varbinary(255), p_ends bigint
)
SQL SECURITY INVOKER
BEGIN
    IF p_trace IS NULL THEN
        DELETE FROM cloakroom_sessions WHERE `key` = p_key AND trace = 0;
    ELSE
        UPDATE cloakroom_sessions SET
            rev = '', was = '', seen = 0, idle = 0, cap = p_ends, ends = p_ends, due = p_ends, trace = 1, owner = NULL,
            body = p_trace
        WHERE `key` = p_key AND trace = 0;
    END IF;
    SELECT ROW_COUNT();
END
//
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_destroy_owned(p_owner varbinary(255), p_except binary(16))
SQL SECURITY INVOKER
BEGIN
    DELETE FROM cloakroom_sessions WHERE owner = p_owner AND NOT (`key` <=> p_except);
    SELECT ROW_COUNT();
END
//
-- Ends what began before the last call for the highest number, also what rotates meanwhile.
CREATE PROCEDURE IF NOT EXISTS cloakroom_sessions_v1_clear(p_last bigint)
SQL SECURITY INVOKER
BEGIN
    DELETE FROM cloakroom_sessions WHERE id <= p_last ORDER BY id LIMIT 1000;
    SELECT ROW_COUNT();
END
//
ALTER TABLE cloakroom_sessions COMMENT = 'cloakroom schema 1'
//
DELIMITER ;
