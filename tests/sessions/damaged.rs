use std::fs;
use std::path::Path;

use cloakroom::{Durability, ErrorKind, FileStore, Outcome, Session, Sessions, SessionsBuilder};

use crate::support::*;

/// A visitor whose session cannot be read any more.
fn damaged(site: &Site) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    site.store.damage(browser.key());
    browser
}

/// A request that ends with this status.
fn settle(
    site: &Site,
    browser: &Browser,
    status: Option<u16>,
    handler: impl FnOnce(&Session),
) -> cloakroom::Result<cloakroom::Committed> {
    let session = site.open(browser);
    handler(&session);
    site.sessions.blocking().settle(session, "POST", status)
}

#[test]
fn a_page_that_never_looks_at_a_damaged_session_is_served_and_any_other_is_the_error() {
    let site = site();
    let browser = damaged(&site);
    assert_nothing(&settle(&site, &browser, Some(200), |_| ()).unwrap());
    let looks: [fn(&Session); 5] = [
        |session| assert_eq!(session.get::<u8>("cart").unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.insert("cart", &2).unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.rotate().unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.owner().unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert!(session.is_new()),
    ];
    for look in looks {
        let error = settle(&site, &browser, Some(200), look).unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (&ErrorKind::Damaged, 503));
        // The handler's own answer to the error stays.
        assert_nothing(&settle(&site, &browser, Some(503), look).unwrap());
    }
    assert_eq!(site.count(), 1, "the stored bytes stay");
}

#[test]
fn a_login_over_a_damaged_session_ends_it_and_begins_a_new_one() {
    let site = site();
    let mut browser = damaged(&site);
    let before = browser.clone();
    // Not if it comes to nothing.
    assert_nothing(&settle(&site, &browser, Some(500), |session| session.login("ada").unwrap()).unwrap());
    assert_eq!(site.count(), 1);
    let committed = site.request(&mut browser, |session| {
        session.login("ada").unwrap();
        session.insert("theme", "dark").unwrap();
    });
    assert_eq!(committed.outcome(), Outcome::Created);
    let session = site.open(&browser);
    assert_eq!((session.owner().unwrap(), session.names().unwrap()), (Some("ada".into()), vec!["theme".to_owned()]));
    assert!(site.open(&before).is_new() && site.count() == 1);
}

#[test]
fn a_damaged_session_can_be_ended_by_its_visitor() {
    for status in [Some(200), Some(500), None] {
        let site = site();
        let mut browser = damaged(&site);
        let committed = settle(&site, &browser, status, |session| session.destroy().unwrap()).unwrap();
        assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Destroyed, Some(0)));
        browser.receive(&site, &committed);
        assert_eq!((site.count(), browser.has_cookie()), (0, false));
    }
    let site = site();
    let mut browser = damaged(&site);
    site.visit(&mut browser, |session| {
        session.destroy().unwrap();
        session.flash("You are logged out").unwrap();
    });
    assert_eq!(site.open(&browser).take_flashes::<String>().unwrap(), ["You are logged out"]);
    assert_eq!(site.count(), 1);
}

#[test]
fn a_damaged_session_beside_one_that_lives_counts_where_it_comes_first() {
    for is_first in [true, false] {
        let site = site();
        let (broken, mut live) = (damaged(&site), Browser::default());
        site.visit(&mut live, |session| session.insert("cart", &7).unwrap());
        let mut cookies = [live.headers(&site), broken.headers(&site)].concat();
        if is_first {
            cookies.reverse();
        }
        let open = || site.sessions.blocking().open(&cookies).unwrap();
        let session = open();
        let looked = session.get::<u8>("cart");
        let settled = site.sessions.blocking().settle(session, "POST", Some(200));
        if is_first {
            assert_eq!(looked.unwrap_err().kind(), &ErrorKind::Damaged);
            assert_eq!(settled.unwrap_err().http_status(), 503);
        } else {
            assert_eq!(looked.unwrap(), Some(7));
            assert_nothing(&settled.unwrap());
            let session = open();
            session.insert("theme", "dark").unwrap();
            assert_eq!(site.commit(session).outcome(), Outcome::Stored);
        }
        assert_eq!(site.count(), 2, "the stored bytes stay");
        let session = open();
        session.destroy().unwrap();
        assert_eq!(max_age(&site.commit(session)), Some(0));
        assert_eq!(site.count(), 0, "a logout ends both");
    }
}

#[test]
fn a_session_of_a_newer_release_is_as_one_that_cannot_be_read() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    site.store.cannot_read(browser.key(), ErrorKind::NewerFormat);
    assert_nothing(&settle(&site, &browser, Some(200), |_| ()).unwrap());
    let error = settle(&site, &browser, Some(200), |session| session.insert("cart", &2).unwrap_or(())).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (&ErrorKind::NewerFormat, 503));
    assert_eq!(site.count(), 1, "the stored bytes stay");
    let mut ended = browser.clone();
    let committed = settle(&site, &ended, Some(200), |session| session.destroy().unwrap()).unwrap();
    ended.receive(&site, &committed);
    assert_eq!((site.count(), ended.has_cookie()), (0, false));
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    assert_eq!(site.open(&browser).owner().unwrap(), Some("ada".into()));
}

/// Flips a bit of the value in the log, and gives the site as it is after a restart.
fn damage_on_disk(
    directory: &Path,
    value: &[u8],
    settings: impl Fn(FileStore) -> SessionsBuilder<FileStore>,
) -> Sessions<FileStore> {
    let mut flipped = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(value.len()).position(|window| window == value) {
                bytes[at] ^= 1;
                fs::write(&path, bytes).unwrap();
                flipped += 1;
            }
        }
    }
    assert_eq!(flipped, 1);
    settings(FileStore::options().durability(Durability::Never).open(directory).unwrap()).build().unwrap()
}

#[test]
fn a_session_whose_bytes_rot_in_the_log_is_an_error_and_can_be_ended_and_logged_in_over() {
    type Want = fn(&Session) -> cloakroom::Result<()>;
    let wants: [(Want, &str, u64); 3] = [
        (|session| session.destroy(), "removal", 0),
        (|session| session.login("ada"), "new", 1),
        (
            |session| {
                session.destroy()?;
                session.insert("notice", "You are logged out")
            },
            "new",
            1,
        ),
    ];
    for (want, cookie, left) in wants {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("sessions");
        let clock = cloakroom::ManualClock::at(START);
        let settings = |store| Sessions::builder(store).clock(clock.clone());
        let store = FileStore::options().durability(Durability::Never).open(&directory).unwrap();
        let site = settings(store).build().unwrap().blocking();
        let id = site.test_cookie(|session| session.insert("note", "what the disk will lose")).unwrap();
        let other = site.test_cookie(|session| session.insert("note", "what it keeps")).unwrap();
        drop(site);
        let site = damage_on_disk(&directory, b"what the disk will lose", settings).blocking();

        let session = site.open([&id]).unwrap();
        assert_eq!(session.get::<String>("note").unwrap_err().kind(), &ErrorKind::Damaged);
        assert_eq!(site.settle(session, "GET", Some(200)).unwrap_err().http_status(), 503);
        assert_nothing(&site.settle(site.open([&id]).unwrap(), "GET", Some(200)).unwrap());

        let session = site.open([&id]).unwrap();
        want(&session).unwrap();
        let committed = site.settle(session, "POST", Some(303)).unwrap();
        let set = committed.set_cookie().unwrap().as_str();
        assert_eq!(if set.contains("Max-Age=0") { "removal" } else { "new" }, cookie);
        // With the old id nothing begins and nothing opens: a late request learns what became of it.
        let late = site.open([&id]).unwrap();
        assert!(late.is_new());
        late.insert("theme", "dark").unwrap();
        assert_eq!(site.settle(late, "POST", Some(200)).unwrap_err().http_status(), 409);
        let kept = site.open([&other]).unwrap().get::<String>("note").unwrap();
        assert_eq!(kept.as_deref(), Some("what it keeps"));
        assert_eq!(site.count().unwrap(), left + 1);
    }
}
