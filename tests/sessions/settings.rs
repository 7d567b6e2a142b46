use std::time::Duration;

use cloakroom::cookie::{Cookie, SameSite};
use cloakroom::{
    BeyondLimit, Durability, ErrorKind, Handle, Lifetime, Limits, MemoryStore, OnDamage, Outcome, Owner, OwnerLimit,
    SessionKey, Sessions, SessionsBuilder, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::*;

#[test]
fn what_is_not_said_is_30_minutes_idle_and_12_hours_at_most_in_a_host_cookie() {
    let sessions = Sessions::builder(MemoryStore::new()).build().unwrap();
    let session = sessions.blocking().open([""; 0]).unwrap();
    assert_eq!(session.ends_at().since(session.created()), 30 * MINUTE);
    assert!(!session.is_permanent());
    assert_eq!(sessions.cookie().name(), "__Host-sid");
    let site = site_with(|builder| builder.no_idle_timeout());
    assert_eq!(site.open(&Browser::default()).ends_at(), START.plus(12 * HOUR));
}

#[test]
fn settings_that_cannot_be_are_refused_with_the_reason() {
    type Setting = fn(SessionsBuilder<MemoryStore>) -> SessionsBuilder<MemoryStore>;
    let settings: [(Setting, &str); 11] = [
        (|builder| builder.no_idle_timeout().no_absolute_timeout(), "an idle timeout or an absolute timeout"),
        (|builder| builder.idle_timeout(Duration::ZERO), "zero"),
        (|builder| builder.lifetime(Lifetime::absolute(Duration::ZERO)), "zero"),
        (|builder| builder.touch_fraction(1.0), "touch_fraction"),
        (|builder| builder.touch_fraction(-0.1), "touch_fraction"),
        (|builder| builder.touch_fraction(f64::NAN), "touch_fraction"),
        (|builder| builder.traces_last(601 * Duration::from_secs(1)), "ten minutes"),
        (|builder| builder.cookie(Cookie::named("")), "no name of its own"),
        (|builder| builder.cookie(Cookie::named("s").secure(false)), "demands Secure"),
        (|builder| builder.cookie(Cookie::named("s").max_age(DAY)), "permanent()"),
        (|builder| builder.cookie(Cookie::named("s".repeat(4070))), "4096"),
    ];
    for (setting, why) in settings {
        let error = setting(Sessions::builder(MemoryStore::new())).build().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Config);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn what_stands_in_configuration_files_and_in_json_reads_back_and_nothing_else_is_taken() {
    fn is_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, json: &str, bad: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), value);
        assert!(serde_json::from_str::<T>(bad).is_err(), "{bad} was taken for {value:?}");
    }
    let sevens = format!("\"{}\"", "07".repeat(16));
    is_written(SessionKey::from_bytes([7; 16]), &sevens, "\"07\"");
    is_written(sevens.trim_matches('"').parse::<Handle>().unwrap(), &sevens, "\"07\"");
    is_written(Timestamp::from_secs(1_700_000_000), "\"2023-11-14T22:13:20.000Z\"", "1700000000");
    is_written(Owner::from("user 42"), "\"user 42\"", "\"\"");
    is_written(Durability::Every(Duration::from_millis(1500)), "\"every 1500ms\"", "\"every second\"");
    is_written(SameSite::Strict, "\"Strict\"", "\"strictly\"");
    assert_eq!(serde_json::from_str::<SameSite>("\"none\"").unwrap(), SameSite::None, "as browsers read it");
    is_written(Lifetime::new(30 * MINUTE, 12 * HOUR), r#"{"idle":"30m","absolute":"12h"}"#, "{}");
    is_written(OnDamage::EndOlder, "\"end-older\"", "\"EndOlder\"");
    is_written(BeyondLimit::EndOldest, "\"end-oldest\"", "\"EndOldest\"");
    let per_owner = OwnerLimit::new(5, BeyondLimit::Refuse);
    is_written(per_owner, r#"{"sessions":5,"beyond":"refuse"}"#, r#"{"sessions":5,"beyond":"refuse","a":1}"#);
    let limits = Limits::default().with_record_bytes(9).with_per_owner(per_owner).with_traces(7);
    let written = r#"{"record_bytes":9,"per_owner":{"sessions":5,"beyond":"refuse"},"traces":7}"#;
    is_written(limits, written, r#"{"record_byte":9}"#);
    assert_eq!(serde_json::from_str::<Limits>("{}").unwrap(), Limits::default());
}

#[test]
fn the_longest_timeouts_overflow_nothing() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(Duration::MAX, Duration::MAX)).permanent(true));
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("a", &1).unwrap());
    assert_eq!(max_age(&committed), Some(34_560_000));
    site.advance(1000 * DAY);
    assert_eq!(
        site.commit(site.sessions.blocking().open([format!("__Host-sid={}", browser.id())]).unwrap()).outcome(),
        Outcome::Touched
    );
}

#[test]
fn the_sweeper_sweeps_this_store_by_this_clock() {
    let site = site();
    site.visit(&mut Browser::default(), |session| session.insert("a", &1).unwrap());
    site.advance(HOUR);
    let (tell, told) = std::sync::mpsc::channel();
    let sweeper = site.sessions.sweeper().on_round(move |round| {
        let _ = tell.send(round.as_ref().unwrap().removed);
    });
    let _sweeper = sweeper.spawn().unwrap();
    assert_eq!(told.recv().unwrap(), 1);
}
