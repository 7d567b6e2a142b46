//! The requirements of docs/security.md that ids and sessions meet, each under its number.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

#[path = "requirements/disk.rs"]
mod disk;
#[path = "requirements/ending.rs"]
mod ending;
#[path = "requirements/failing.rs"]
mod failing;
#[path = "support/mod.rs"]
mod files;
#[path = "processes/process.rs"]
mod process;
#[path = "requirements/roles.rs"]
mod roles;
#[allow(dead_code)]
#[path = "sessions/support.rs"]
mod support;

use std::collections::HashSet;
use std::time::Duration;

use cloakroom::{
    BeyondLimit, Committed, Error, ErrorKind, Found, InvalidId, Lifetime, Limits, MemoryStore, Outcome, OwnerLimit,
    Record, SessionId, SessionKey, Sessions, Store, Timestamp,
};
use support::*;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many standard deviations a sum of squares is away from what chance makes it.
fn chi_squared_deviation(counts: &[u64; 64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / 64.0;
    let chi_squared: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    (chi_squared - 63.0) / (2.0f64 * 63.0).sqrt()
}

fn generate() -> SessionId {
    SessionId::generate().unwrap()
}

fn key_of(id: &str) -> SessionKey {
    SessionKey::of(&SessionId::parse(id).unwrap())
}

#[test]
fn r01_an_id_has_192_bits_and_a_generator_that_fails_is_an_error() {
    // There is no way to an id but through a Result, whose error is the generator's.
    let generate: fn() -> Result<SessionId, Error> = SessionId::generate;
    let ids: HashSet<_> = (0..100_000).map(|_| generate().unwrap().expose()).collect();
    assert_eq!(ids.len(), 100_000);
    assert!(ids.iter().all(|id| id.len() * 6 == 192));
}

#[test]
fn r02_the_alphabet_is_uniform_over_a_million_ids() {
    let mut at_place = [[0u64; 64]; 32];
    let mut digit = [usize::MAX; 256];
    for (value, char) in ALPHABET.iter().enumerate() {
        digit[usize::from(*char)] = value;
    }
    for _ in 0..1_000_000 {
        for (place, char) in generate().expose().bytes().enumerate() {
            at_place[place][digit[usize::from(char)]] += 1;
        }
    }
    let mut overall = [0; 64];
    for counts in &at_place {
        // Of 33 honest sums none comes near seven deviations in the lifetime of this test.
        assert!(chi_squared_deviation(counts).abs() < 7.0);
        overall.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    assert!(chi_squared_deviation(&overall).abs() < 7.0);
}

#[test]
fn r03_an_id_tells_no_time_no_user_and_no_counter() {
    // Made one after another, at one time and for one user: each of the 192 bits still changes every other time.
    let site = site();
    let raw = || {
        let cookie = site.sessions.blocking().test_cookie(|session| session.login("user 42")).unwrap();
        let id = cookie.strip_prefix("__Host-sid=").unwrap();
        let digits = id.bytes().map(|char| ALPHABET.iter().position(|other| *other == char).unwrap());
        digits.collect::<Vec<_>>()
    };
    let (mut before, mut changes) = (raw(), [0u32; 192]);
    for _ in 0..2000 {
        let id = raw();
        for (bit, changes) in changes.iter_mut().enumerate() {
            *changes += u32::from((id[bit / 6] ^ before[bit / 6]) >> (bit % 6) & 1 == 1);
        }
        before = id;
    }
    // Eight deviations of a binomial distribution around 1000.
    assert!(changes.iter().all(|changes| (820..=1180).contains(changes)), "{changes:?}");
}

#[test]
fn r04_create_is_an_atomic_create_if_absent() {
    let store = MemoryStore::new();
    let key = SessionKey::of(&generate());
    let created = std::thread::scope(|scope| {
        let create = |n: u64| {
            let mut record = Record::new(key, Lifetime::AAL2, START);
            record.set_owner(Some(format!("user {n}").into()), None);
            now(store.create(&record, &[], START))
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || create(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(created.iter().filter(|created| created.is_ok()).count(), 1);
    for refused in created.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind(), &ErrorKind::KeyTaken);
    }
}

#[test]
fn r05_rotation_takes_its_new_id_as_create_does() {
    let store = MemoryStore::new();
    let [old, taken] = [(); 2].map(|()| Record::new(SessionKey::of(&generate()), Lifetime::AAL2, START));
    let revision = now(store.create(&old, &[], START)).unwrap();
    now(store.create(&taken, &[], START)).unwrap();
    let mut rotated = old.clone();
    rotated.set_key(*taken.key());
    rotated.set_owner(Some("user 42".into()), None);
    let error = now(store.rotate(old.key(), revision, &rotated, None, START)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::KeyTaken);
    for untouched in [old, taken] {
        assert_eq!(now(store.load(untouched.key(), START)).unwrap().unwrap().owner(), None);
    }
}

#[test]
fn r06_an_unknown_id_is_never_adopted() {
    let site = site();
    let mut live = Browser::default();
    site.visit(&mut live, |session| session.insert("a", &1).unwrap());
    let (destroyed, mut leaving) = (live.clone(), live.clone());
    site.visit(&mut leaving, |session| session.destroy().unwrap());
    let mut expired = Browser::default();
    site.visit(&mut expired, |session| session.insert("a", &1).unwrap());
    site.advance(HOUR);

    for planted in [Browser::with_id(&generate().expose()), destroyed, expired] {
        let mut victim = planted.clone();
        site.visit(&mut victim, |session| session.login("victim").unwrap());
        assert_ne!(victim.id(), planted.id());
        assert_eq!(site.open(&planted).handle(), None);
    }
}

#[test]
fn r07_an_ids_syntax_is_checked_before_any_io() {
    let site = site();
    let good = generate().expose();
    let mut bad: Vec<Vec<u8>> = ["", " ", "a", &good[1..], &format!("{good}="), &format!("{good}A"), &"A".repeat(4096)]
        .map(|text| text.into())
        .into();
    for byte in (0..=255).filter(|byte| !ALPHABET.contains(byte)) {
        let mut id = good.clone().into_bytes();
        id[17] = byte;
        bad.push(id);
    }
    for id in bad {
        assert!(matches!(SessionId::parse(&id), Err(InvalidId::Length(_) | InvalidId::Alphabet)));
        let header = [b"__Host-sid=", id.as_slice()].concat();
        assert!(site.sessions.blocking().open([&header]).unwrap().is_new());
    }
    assert_eq!(site.store.calls(), [""; 0]);
    let _ = site.open(&Browser::with_id(&good));
    assert_eq!(site.store.calls(), ["find"]);
}

#[test]
fn r10_an_old_id_opens_nothing_and_its_trace_is_bounded() {
    for change in [cloakroom::Session::rotate, |session: &cloakroom::Session| session.login("ada")] {
        let site = site();
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
        let (old, key) = (browser.clone(), key_of(browser.id()));
        site.visit(&mut browser, |session| change(session).unwrap());
        assert!(site.open(&old).is_new() && !site.open(&browser).is_new());
        let stands = |at| now(site.store.memory.find(&key, at)).unwrap();
        let Found::Trace(trace) = stands(START) else { panic!("no trace") };
        assert_eq!(trace.ends(), START.plus(MINUTE));
        assert_eq!(stands(trace.ends()), Found::Nothing);
    }
    let with = |life| Sessions::builder(MemoryStore::new()).traces_last(life).build();
    assert!(with(10 * MINUTE).is_ok());
    for life in [Duration::ZERO, 10 * MINUTE + Duration::from_millis(1)] {
        assert_eq!(with(life).unwrap_err().kind(), &ErrorKind::Config);
    }
}

#[test]
fn r11_the_idle_timeout_is_enforced_on_the_server() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    for _ in 0..3 {
        site.advance(30 * MINUTE - Duration::from_millis(1));
        assert_eq!(site.request(&mut browser, |_| ()).outcome(), Outcome::Touched);
    }
    site.advance(30 * MINUTE);
    assert_eq!(site.open(&browser).owner().unwrap(), None);
}

#[test]
fn r12_neither_touch_nor_rotation_extends_the_absolute_lifetime() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    let end = START.plus(12 * HOUR);
    for minute in (10..12 * 60).step_by(10) {
        site.advance(10 * MINUTE);
        site.visit(&mut browser, |session| match minute % 30 {
            0 => session.rotate().unwrap(),
            10 => session.insert("a", &minute).unwrap(),
            _ => (),
        });
        assert!(site.open(&browser).ends_at() <= end);
    }
    assert!(site.open(&browser).handle().is_some());
    site.advance(10 * MINUTE);
    assert_eq!(site.open(&browser).handle(), None);
}

#[test]
fn r13_presets_for_the_assurance_levels_are_those_of_nist_800_63b() {
    let timeouts = |preset: Lifetime| (preset.idle_timeout(), preset.absolute_timeout());
    assert_eq!(timeouts(Lifetime::AAL1), (None, Some(30 * DAY)));
    assert_eq!(timeouts(Lifetime::AAL2), (Some(HOUR), Some(DAY)));
    assert_eq!(timeouts(Lifetime::AAL3), (Some(15 * MINUTE), Some(12 * HOUR)));
    let site = site_with(|builder| builder.lifetime(Lifetime::AAL3));
    assert_eq!(site.open(&Browser::default()).ends_at(), START.plus(15 * MINUTE));
}

#[test]
fn r16_the_cookies_own_expiry_is_never_trusted() {
    let site = site_with(|builder| builder.permanent(true));
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.login("user 42").unwrap());
    assert!(max_age(&committed).unwrap() > (11 * HOUR).as_secs());
    // Well within the Max-Age, and with one of the visitor's own making: the server's idle timeout counts.
    site.advance(30 * MINUTE);
    let hoarded = format!("__Host-sid={}; Max-Age=99999999; Expires=Fri, 31 Dec 9999 23:59:59 GMT", browser.id());
    let session = site.sessions.blocking().open([&hoarded]).unwrap();
    assert_eq!(session.owner().unwrap(), None);
    assert_nothing(&site.commit(session));
}

#[test]
fn r19_all_of_a_users_sessions_end_or_all_but_the_current_one() {
    let site = site();
    let blocking = site.sessions.blocking();
    let open = |cookie: &String| blocking.open([cookie]).unwrap();
    let ada: Vec<_> = (0..4).map(|_| blocking.test_cookie(|session| session.login("ada")).unwrap()).collect();
    let bob = blocking.test_cookie(|session| session.login("bob")).unwrap();
    let this = open(&ada[2]).handle().unwrap();
    assert_eq!(blocking.end_others("ada", &this).unwrap(), 3);
    let live: Vec<_> = ada.iter().map(|cookie| open(cookie).handle().is_some()).collect();
    assert_eq!(live, [false, false, true, false]);
    assert_eq!(blocking.end_all("ada").unwrap(), 1);
    assert_eq!(open(&ada[2]).handle(), None);
    assert!(open(&bob).handle().is_some());
}

#[test]
fn r20_listings_show_handles_and_never_ids() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    let listed = site.sessions.blocking().owned_by("ada").unwrap();
    let handle = listed[0].handle();
    assert_ne!(handle.as_bytes(), key_of(browser.id()).as_bytes());
    assert!(!format!("{listed:?} {handle} {handle:?}").contains(browser.id()));
    // And a handle is no way in.
    let text = handle.to_string();
    assert!(site.open(&Browser::with_id(&text)).is_new(), "although it has an id's length and alphabet");
}

#[test]
fn r21_a_user_has_at_most_as_many_sessions_as_allowed() {
    for beyond in [BeyondLimit::EndOldest, BeyondLimit::Refuse] {
        let limits = Limits::default().with_per_owner(OwnerLimit::new(3, beyond));
        let clock = cloakroom::ManualClock::at(START);
        let sessions = Sessions::builder(MemoryStore::with_limits(limits)).clock(clock.clone()).build().unwrap();
        let blocking = sessions.blocking();
        let logins: Vec<_> = (0..4)
            .map(|_| {
                clock.advance(MINUTE);
                blocking.test_cookie(|session| session.login("ada"))
            })
            .collect();
        assert_eq!(blocking.owned_by("ada").unwrap().len(), 3);
        match beyond {
            BeyondLimit::EndOldest => {
                assert_eq!(blocking.open([logins[0].as_ref().unwrap()]).unwrap().handle(), None);
                assert!(blocking.open([logins[3].as_ref().unwrap()]).unwrap().handle().is_some());
            }
            _ => {
                assert!(matches!(logins[3].as_ref().unwrap_err().kind(), ErrorKind::OwnerLimit { limit: 3, .. }));
            }
        }
        assert!(blocking.test_cookie(|session| session.login("bob")).is_ok());
    }
}

#[test]
fn r27_empty_sessions_are_not_stored_and_a_records_size_is_capped() {
    let site = site();
    for _ in 0..1000 {
        site.visit(&mut Browser::default(), |session| assert_eq!(session.get::<u8>("cart").unwrap(), None));
    }
    assert_eq!((site.count(), site.store.calls().len()), (0, 0));

    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    for browser in [Browser::default(), browser.clone()] {
        let session = site.open(&browser);
        session.insert("a", &"x".repeat(2 << 20)).unwrap();
        let error = site.sessions.blocking().commit(session).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TooLarge { what: "the record", limit: 1_048_576, .. }), "{error}");
    }
    assert_eq!((site.count(), site.open(&browser).get("a").unwrap()), (1, Some(1)));
}

#[test]
fn r28_neither_debug_nor_any_error_shows_an_id() {
    let site = site_with(|builder| builder.permanent(true));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let id = SessionId::parse(browser.id()).unwrap();
    let mut shown: Vec<String> = Vec::new();
    let mut ids = vec![browser.id().to_owned()];

    let session = site.open(&browser);
    shown.push(format!("{id:?} {session:?} {:?} {:?}", site.sessions, site.sessions.presented(browser.headers(&site))));
    let show = |error: Error| format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    shown.extend([
        show(session.get::<String>("a").unwrap_err()),
        show(session.insert("cloakroom.x", &1).unwrap_err()),
        show(session.insert("a", &f64::NAN).unwrap_err()),
        show(session.login("x".repeat(999)).unwrap_err()),
    ]);
    // A conflict, a commit again, a record too large, a store that fails, a key that is taken.
    let read: Option<u8> = session.get("a").unwrap();
    session.insert("a", &(read.unwrap() + 10)).unwrap();
    site.visit(&mut browser.clone(), |other| other.insert("a", &2).unwrap());
    let blocking = site.sessions.blocking();
    let failed = |session: &cloakroom::Session| show(blocking.commit(session.clone()).unwrap_err());
    shown.extend([failed(&session), failed(&session)]);
    let session = site.open(&browser);
    session.insert("a", &"x".repeat(2 << 20)).unwrap();
    shown.push(failed(&session));
    let committed: Committed = site.request(&mut browser, |session| session.rotate().unwrap());
    ids.push(browser.id().to_owned());
    shown.push(format!("{committed:?}"));
    let taken = Record::new(key_of(browser.id()), Lifetime::AAL2, Timestamp::EPOCH);
    shown.push(show(now(site.store.memory.create(&taken, &[], START)).unwrap_err()));
    shown.push(format!("{taken:?}"));
    site.store.fail("find");
    shown.push(show(blocking.open(browser.headers(&site)).unwrap_err()));
    shown.push(format!("{} {:?}", InvalidId::Alphabet, SessionId::parse(format!("{}!", &ids[0][..31]))));

    for shown in &shown {
        for id in &ids {
            assert!(!shown.contains(&id[..16]) && !shown.contains(&id[16..]), "{shown}");
        }
    }
}
