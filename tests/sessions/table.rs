//! What a commit does, cell by cell: a row of `TABLE` is what stands where the session was, what the request wants, and what
//! comes of it: the sessions that live then, the cookie, and the status of a POST that a handler answered with 200.

use cloakroom::{FileStore, Lifetime, MemoryStore, RuntimeFree, Session, Sessions};

use crate::scenes::{CLOCK, Over};
use crate::support::*;

/// Each session is its owner (`-` for none) and its entries, with a `!` if it has the handle of the session at first.
const TABLE: &[(&str, &str, &str, &str, u16)] = &[
    ("live -", "nothing", "-!cart", "", 200),
    ("live -", "put", "-!cart,put", "", 200),
    ("live -", "rotate", "-!cart", "new", 200),
    ("live -", "login A", "A cart", "new", 200),
    ("live -", "destroy", "", "removal", 200),
    ("live -", "destroy, put", "- put", "new", 200),
    ("live A", "nothing", "A!cart", "", 200),
    ("live A", "put", "A!cart,put", "", 200),
    ("live A", "rotate", "A!cart", "new", 200),
    ("live A", "reauthenticate", "A!cart", "new", 200),
    ("live A", "reauthenticate, put", "A!cart,put", "new", 200),
    ("live A", "login A", "A!cart", "new", 200),
    ("live A", "login A, reauthenticate", "A!cart", "new", 200),
    ("live A", "reauthenticate, login B", "B ", "new", 200),
    ("live A", "login B", "B ", "new", 200),
    ("live A", "destroy", "", "removal", 200),
    ("live A", "destroy, put", "- put", "new", 200),
    ("live A", "destroy, login A", "A ", "new", 200),
    // Another request with the same cookie has rotated it meanwhile.
    ("moved -", "nothing", "-!cart", "", 200),
    ("moved -", "put", "-!cart,put", "", 200),
    ("moved -", "modify", "-!cart,modify", "", 200),
    ("moved -", "remove", "-!", "", 200),
    ("moved -", "rotate", "-!cart", "", 200),
    ("moved -", "login A", "A cart", "new", 200),
    ("moved -", "destroy", "", "removal", 200),
    ("moved -", "destroy, put", "- put", "new", 200),
    ("moved A", "nothing", "A!cart", "", 200),
    ("moved A", "put", "A!cart,put", "", 200),
    ("moved A", "rotate", "A!cart", "", 200),
    ("moved A", "reauthenticate", "A!cart", "", 409),
    ("moved A", "reauthenticate, put", "A!cart", "", 409),
    ("moved A", "login A", "A!cart A!cart", "new", 200),
    ("moved A", "login B", "B ", "new", 200),
    ("moved A", "destroy", "", "removal", 200),
    ("moved A", "destroy, put", "- put", "new", 200),
    ("moved A", "destroy, login A", "A ", "new", 200),
    ("moved A", "rotate, put", "A!cart,put", "", 200),
    ("moved A", "lifetime", "A!cart", "", 200),
    ("moved A", "lifetime, put", "A!cart,put", "", 200),
    // One more session of the owner's stands beside that.
    ("moved A, login A", "nothing", "A!cart A!cart", "", 200),
    ("moved A, login A", "put", "A!cart A!cart,put", "", 200),
    ("moved A, login A", "login A", "A!cart A!cart A!cart", "new", 200),
    ("moved A, login A", "login B", "B ", "new", 200),
    ("moved A, login A", "destroy", "", "removal", 200),
    ("moved A, login A", "destroy, put", "- put", "new", 200),
    ("on moved A, login A", "put", "A!cart A!cart", "", 409),
    ("on moved A, login A", "destroy", "", "removal", 200),
    // It has been rotated again and again. A change follows four times, an end to the end.
    ("moved 4 times -", "put", "-!cart,put", "", 200),
    ("moved 5 times -", "put", "-!cart", "", 409),
    ("moved 5 times -", "destroy", "", "removal", 200),
    ("moved 5 times -", "destroy, put", "- put", "new", 200),
    ("moved 5 times A", "put", "A!cart", "", 409),
    ("moved 5 times A", "destroy", "", "removal", 200),
    // Its trace is over, and a logout ends what has its handle all the same.
    ("moved a minute ago A", "put", "A!cart", "", 409),
    ("moved a minute ago A", "destroy", "", "removal", 200),
    ("moved a minute ago A", "destroy, put", "- put", "new", 200),
    // What it read has changed since, so the change cannot be kept.
    ("moved and changed A", "put", "A!cart,put", "", 409),
    ("moved and changed A", "modify", "A!cart,modify,put", "", 200),
    ("moved and ended A", "put", "", "", 409),
    ("moved and ended A", "reauthenticate", "", "", 409),
    ("moved and replaced A", "put", "B ", "", 409),
    ("moved and replaced A", "reauthenticate", "B ", "", 409),
    ("moved and replaced A", "destroy", "B ", "", 200),
    // The owner has logged in again: the time of authentication is another.
    ("logged in again A", "put", "A!cart", "", 409),
    ("logged in again A", "rotate", "A!cart", "", 200),
    ("logged in again A", "login A", "A!cart A!cart", "new", 200),
    ("logged in again A", "reauthenticate", "A!cart", "", 200),
    ("logged in again A", "reauthenticate, put", "A!cart", "", 409),
    ("logged in again A", "destroy", "", "removal", 200),
    // The owner has authenticated again.
    ("reauthenticated A", "nothing", "A!cart", "", 200),
    ("reauthenticated A", "put", "A!cart", "", 409),
    ("reauthenticated A", "rotate", "A!cart", "", 200),
    ("reauthenticated A", "reauthenticate", "A!cart", "", 200),
    ("reauthenticated A", "reauthenticate, remove", "A!cart", "", 200),
    ("reauthenticated A", "reauthenticate, put", "A!cart", "", 409),
    ("reauthenticated A", "login A", "A!cart A!cart", "new", 200),
    ("reauthenticated A", "login B", "B ", "new", 200),
    ("reauthenticated A", "destroy", "", "removal", 200),
    ("on reauthenticated A", "put", "A!cart", "", 409),
    // The request came with the old id.
    ("on moved -", "nothing", "-!cart", "", 200),
    ("on moved -", "put", "-!cart", "", 409),
    ("on moved -", "rotate", "-!cart", "", 200),
    ("on moved -", "login A", "A ", "new", 200),
    ("on moved -", "destroy", "", "removal", 200),
    ("on moved -", "destroy, put", "- put", "new", 200),
    ("on moved A", "nothing", "A!cart", "", 200),
    ("on moved A", "put", "A!cart", "", 409),
    ("on moved A", "rotate", "A!cart", "", 200),
    ("on moved A", "rotate, put", "A!cart", "", 409),
    ("on moved A", "reauthenticate", "A!cart", "", 200),
    ("on moved A", "login A", "A!cart A!cart", "new", 200),
    ("on moved A", "login B", "B ", "new", 200),
    ("on moved A", "destroy", "", "removal", 200),
    ("on moved A", "destroy, put", "- put", "new", 200),
    // Another user has logged in with the same cookie.
    ("replaced - by A", "nothing", "A cart", "", 200),
    ("replaced - by A", "put", "A cart", "", 409),
    ("replaced - by A", "remove", "A cart", "", 200),
    ("replaced - by A", "rotate", "A cart", "", 200),
    ("replaced - by A", "login A", "A cart A cart", "new", 200),
    ("replaced - by A", "login B", "A cart B cart", "new", 200),
    ("replaced - by A", "destroy", "A cart", "", 200),
    ("replaced - by A", "destroy, put", "A cart", "", 200),
    ("replaced A by B", "put", "B ", "", 409),
    ("replaced A by B", "reauthenticate", "B ", "", 409),
    ("replaced A by B", "login A", "A!cart B ", "new", 200),
    ("replaced A by B", "login B", "B  B ", "new", 200),
    ("replaced A by B", "destroy", "B ", "", 200),
    ("replaced A by B", "destroy, put", "B ", "", 200),
    ("replaced A by B", "destroy, login A", "A  B ", "new", 200),
    ("on replaced A by B", "put", "B ", "", 409),
    ("on replaced A by B", "login A", "A  B ", "new", 200),
    ("on replaced A by B", "destroy", "B ", "", 200),
    ("replaced A by B, login A", "put", "A  B ", "", 409),
    ("replaced A by B, login A", "login A", "A  A  B ", "new", 200),
    ("replaced A by B, login A", "destroy", "A  B ", "", 200),
    ("replaced A by B, login A", "destroy, put", "A  B ", "", 200),
    // The visitor has logged out, and put something in after that.
    ("restarted A", "nothing", "- put", "", 200),
    ("restarted A", "put", "- put", "", 409),
    ("restarted A", "login A", "- put A!cart", "new", 200),
    ("restarted A", "destroy", "- put", "", 200),
    ("restarted A", "destroy, put", "- put", "", 200),
    ("on restarted A", "put", "- put", "", 409),
    ("on restarted A", "login A", "- put A ", "new", 200),
    ("on restarted A", "destroy", "- put", "", 200),
    // It was ended meanwhile, with a trace or without.
    ("ended A", "nothing", "", "", 200),
    ("ended A", "put", "", "", 409),
    ("ended A", "remove", "", "", 200),
    ("ended A", "rotate", "", "", 200),
    ("ended A", "reauthenticate", "", "", 409),
    ("ended A", "login A", "A ", "new", 200),
    ("ended A", "destroy", "", "removal", 200),
    ("ended A", "destroy, put", "- put", "new", 200),
    ("ended a minute ago A", "put", "", "", 409),
    ("ended a minute ago A", "login A", "A ", "new", 200),
    ("ended a minute ago A", "destroy", "", "removal", 200),
    ("ended a minute ago A", "destroy, put", "- put", "new", 200),
    ("on ended A", "put", "", "", 409),
    ("on ended A", "login A", "A ", "new", 200),
    ("on ended A", "destroy", "", "removal", 200),
    ("on ended A", "destroy, put", "- put", "new", 200),
    ("gone A", "put", "", "", 409),
    ("gone A", "reauthenticate", "", "", 409),
    ("gone A", "login A", "A ", "new", 200),
    ("gone A", "destroy", "", "removal", 200),
    ("gone A", "destroy, put", "- put", "new", 200),
    // No id came, or one that nobody knows.
    ("blank", "nothing", "", "", 200),
    ("blank", "put", "- put", "new", 200),
    ("blank", "rotate", "", "", 200),
    ("blank", "remove", "", "", 200),
    ("blank", "reauthenticate", "", "", 200),
    ("blank", "login A", "A ", "new", 200),
    ("blank", "destroy", "", "", 200),
    ("blank", "destroy, put", "- put", "new", 200),
    ("dead id", "nothing", "", "", 200),
    ("dead id", "put", "- put", "new", 200),
    ("dead id", "login A", "A ", "new", 200),
    ("dead id", "destroy", "", "removal", 200),
    ("dead id", "destroy, put", "- put", "new", 200),
    // The same, and a login with that cookie has left its trace since.
    ("dead id, login A", "nothing", "A ", "", 200),
    ("dead id, login A", "put", "A ", "", 409),
    ("dead id, login A", "login A", "A  A ", "new", 200),
    ("dead id, login A", "destroy", "A ", "", 200),
    ("dead id, login A", "destroy, put", "A ", "", 200),
    ("ended A, login A", "put", "A ", "", 409),
    ("ended A, login A", "destroy", "A ", "", 200),
    ("on ended A, login A", "put", "A ", "", 409),
    ("gone A, login A", "put", "A ", "", 409),
    // The user has logged in twice at once: two sessions of one device.
    ("twice A", "put", "A!cart A!cart,put", "", 200),
    ("twice A", "reauthenticate", "A!cart A!cart", "new", 200),
    ("twice A", "login A", "A!cart A!cart", "new", 200),
    ("twice A", "destroy", "", "removal", 200),
    ("twice A", "destroy, put", "- put", "new", 200),
    ("twice A, one gone", "put", "A!cart", "", 409),
    ("twice A, one gone", "destroy", "", "removal", 200),
    ("twice A, one gone", "destroy, put", "- put", "new", 200),
    ("twice A, one ended", "put", "A!cart", "", 409),
    ("twice A, one ended", "destroy", "", "removal", 200),
    ("twice A, one ended", "destroy, put", "- put", "new", 200),
    // Several ids came: of one owner the first wins, of different owners none is opened.
    ("A and A", "nothing", "A cart A!cart", "", 200),
    ("A and A", "put", "A cart A!cart,put", "", 200),
    ("A and A", "rotate", "A!cart", "new", 200),
    ("A and A", "reauthenticate", "A!cart", "new", 200),
    ("A and A", "login A", "A!cart", "new", 200),
    ("A and A", "login B", "B ", "new", 200),
    ("A and A", "destroy", "", "removal", 200),
    ("A and A", "destroy, put", "- put", "new", 200),
    ("A and B", "nothing", "A!cart B cart", "", 200),
    ("A and B", "put", "A!cart B cart", "", 403),
    ("A and B", "rotate", "A!cart B cart", "", 403),
    ("A and B", "reauthenticate", "A!cart B cart", "", 403),
    ("A and B", "login A", "A!", "new", 200),
    ("A and B", "login B", "B ", "new", 200),
    ("A and B", "destroy", "", "removal", 200),
    ("A and B", "destroy, put", "- put", "new", 200),
    // A planted session of nobody's is another owner's than the user's.
    ("- and A", "nothing", "-!cart A cart", "", 200),
    ("- and A", "put", "-!cart A cart", "", 403),
    ("- and A", "rotate", "-!cart A cart", "", 403),
    ("- and A", "reauthenticate", "-!cart A cart", "", 403),
    ("- and A", "login A", "A ", "new", 200),
    ("- and A", "login B", "B ", "new", 200),
    ("- and A", "destroy", "", "removal", 200),
    ("- and A", "destroy, put", "- put", "new", 200),
    ("A and -", "nothing", "- cart A!cart", "", 200),
    ("A and -", "put", "- cart A!cart", "", 403),
    ("A and -", "rotate", "- cart A!cart", "", 403),
    ("A and -", "reauthenticate", "- cart A!cart", "", 403),
    ("A and -", "login A", "A!", "new", 200),
    ("A and -", "login B", "B ", "new", 200),
    ("A and -", "destroy", "", "removal", 200),
    ("A and -", "destroy, put", "- put", "new", 200),
    ("- and -", "put", "- cart -!cart,put", "", 200),
    ("- and -", "rotate", "-!cart", "new", 200),
    ("- and -", "login A", "A cart", "new", 200),
    ("- and -", "destroy", "", "removal", 200),
    ("- and -", "destroy, put", "- put", "new", 200),
    ("A and A and B", "nothing", "A cart A!cart B cart", "", 200),
    ("A and A and B", "put", "A cart A!cart B cart", "", 403),
    ("A and A and B", "rotate", "A cart A!cart B cart", "", 403),
    ("A and A and B", "login A", "A!", "new", 200),
    ("A and A and B", "login B", "B ", "new", 200),
    ("A and A and B", "destroy", "", "removal", 200),
    ("A and A and B", "destroy, put", "- put", "new", 200),
    // An end follows the trace of each id that came.
    ("live - and moved A", "put", "-!cart,put A cart", "", 200),
    ("live - and moved A", "destroy", "", "removal", 200),
    ("live - and moved A", "destroy, put", "- put", "new", 200),
    ("moved A and live -", "destroy", "", "removal", 200),
];

fn want(session: &Session, wants: &str) {
    for wants in wants.split(", ") {
        // Of what is locked the error is the handler's to show; the response is the error's in any case.
        let _ = match wants {
            "nothing" => Ok(()),
            "put" => session.insert("put", &1),
            "modify" => session.modify("modify", |n: Option<u8>| Some(n.unwrap_or(0) + 1)),
            "remove" => session.remove("cart").map(drop),
            "rotate" => session.rotate(),
            "lifetime" => session.set_lifetime(Lifetime::idle(HOUR)),
            "reauthenticate" => session.reauthenticated(),
            "destroy" => session.destroy(),
            _ => session.login(wants.strip_prefix("login ").unwrap()),
        };
    }
}

fn check<S: RuntimeFree>(store: impl Fn() -> S) {
    for &(found, wants, stored, cookie, status) in TABLE {
        let clock = CLOCK.with(Clone::clone);
        clock.set(START);
        let site = Over(Sessions::builder(store()).clock(clock).build().unwrap());
        let (late, first) = site.scene(found);
        want(&late, wants);
        let (got, set) = site.settle(late);
        let sent = match set.as_deref() {
            None => "",
            Some(set) if set.contains("Max-Age=0") => "removal",
            Some(_) => "new",
        };
        let is = (site.shown(first), sent, got);
        assert_eq!(is, (stored.to_owned(), cookie, status), "{found}: {wants}");
        if let Some(set) = set.filter(|_| sent == "new") {
            let session = site.0.blocking().open([set.split(';').next().unwrap()]).unwrap();
            assert!(!session.is_new(), "{found}: {wants}: the cookie opens a session");
        }
    }
}

#[test]
fn a_commit_does_what_the_table_says_over_a_store_in_memory() {
    check(MemoryStore::new);
}

#[test]
fn a_commit_does_what_the_table_says_over_a_store_in_files() {
    let place = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    check(|| {
        count.set(count.get() + 1);
        let options = FileStore::options().durability(cloakroom::Durability::Never);
        options.open(place.path().join(count.get().to_string())).unwrap()
    });
}
