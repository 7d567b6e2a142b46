//! The stores on other machines, each against a real server that the test starts.
//!
//! A missing server fails the test. `tests/run.sh` installs what is missing.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(unreachable_pub, reason = "a part of this test alone")]

mod backend;
mod failing;
mod mysql;
mod only_redis;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;
mod server;
mod several;
mod suite;
mod tls;
mod visits;

/// The table of stores: each test runs over each store of its column.
macro_rules! each_store {
    ({$($file:ident::$name:ident;)+} {$($of:ident::$only:ident;)+} {$($by:ident::$encrypted:ident;)+}) => {
        mod in_postgres {
            $(#[test] fn $name() { crate::$file::$name::<crate::postgres::Postgres>(); })+
            $(#[test] fn $only() { crate::$of::$only::<crate::postgres::Postgres>(); })+
            $(#[test] fn $encrypted() { crate::$by::$encrypted::<crate::postgres::Postgres>(); })+
        }
        mod in_postgres_behind_pgbouncer {
            $(#[test] fn $name() { crate::$file::$name::<crate::pgbouncer::Pgbouncer>(); })+
        }
        mod in_mysql {
            $(#[test] fn $name() { crate::$file::$name::<crate::mysql::Mysql>(); })+
            $(#[test] fn $only() { crate::$of::$only::<crate::mysql::Mysql>(); })+
            $(#[test] fn $encrypted() { crate::$by::$encrypted::<crate::mysql::Mysql>(); })+
        }
        mod in_redis {
            $(#[test] fn $name() { crate::$file::$name::<crate::redis::Redis>(); })+
            $(#[test] fn $encrypted() { crate::$by::$encrypted::<crate::redis::Redis>(); })+
        }
    };
}

each_store! {
    {
        suite::keeps_every_promise;
        suite::a_url_leads_to_it;
        failing::goes_on_after_its_server_was_killed;
        failing::answers_within_its_deadline_when_the_server_stands_still;
        failing::a_connection_that_was_closed_while_idle_fails_nobody;
        failing::an_update_whose_answer_is_lost_is_done_once;
        failing::a_login_whose_answer_is_lost_is_known_by_its_token;
        failing::each_operation_is_one_round_trip;
        failing::no_error_shows_the_password;
        visits::what_requests_change_at_once_is_kept_also_beside_a_rotation;
        visits::a_user_is_listed_and_logged_out_by_handle_and_everywhere;
    }
    // Those that have a schema.
    {
        several::nodes_that_migrate_at_once_wait_for_each_other;
        several::what_rotates_does_not_escape_the_end_of_all_sessions;
        several::sweeps_of_several_nodes_remove_each_session_once;
        several::the_traces_of_logins_go_with_later_logins;
        several::a_user_without_the_right_to_create_serves_and_cannot_migrate;
        several::a_schema_that_is_missing_or_newer_is_an_error_that_says_so;
    }
    // Those that speak to their servers themselves.
    {
        tls::a_connection_is_encrypted_and_trusts_no_stranger;
    }
}
