//! What a commit does, cell by cell: a row of `TABLE` is what stands where the session was, what the request wants, and what
//! comes of it: the sessions that live then, the cookie, and the status of a POST that a handler answered with 200.

use cloakroom::{FileStore, ManualClock, MemoryStore, Record, RuntimeFree, Session, SessionId, SessionKey, Sessions};

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
    // It has been rotated again and again. A change follows four times, an end to the end.
    ("moved 4 times -", "put", "-!cart,put", "", 200),
    ("moved 5 times -", "put", "-!cart", "", 409),
    ("moved 5 times -", "destroy", "", "removal", 200),
    ("moved 5 times -", "destroy, put", "- put", "new", 200),
    ("moved 5 times A", "put", "A!cart", "", 409),
    ("moved 5 times A", "destroy", "", "removal", 200),
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
    ("on moved A", "nothing", "A!cart", "", 200),
    ("on moved A", "put", "A!cart", "", 409),
    ("on moved A", "rotate", "A!cart", "", 200),
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
    // It was ended meanwhile, with a trace or without.
    ("ended A", "nothing", "", "", 200),
    ("ended A", "put", "", "", 409),
    ("ended A", "remove", "", "", 200),
    ("ended A", "rotate", "", "", 200),
    ("ended A", "reauthenticate", "", "", 409),
    ("ended A", "login A", "A ", "new", 200),
    ("ended A", "destroy", "", "removal", 200),
    ("ended A", "destroy, put", "- put", "new", 200),
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
];

/// A site over a store that forgets nothing by itself.
struct Over<S>(Sessions<S>);

impl<S: RuntimeFree> Over<S> {
    fn handle(&self, cookies: &[&str], handler: impl FnOnce(&Session)) -> (u16, Option<String>) {
        let session = self.0.blocking().open(cookies).unwrap();
        handler(&session);
        self.settle(session)
    }

    fn settle(&self, session: Session) -> (u16, Option<String>) {
        match self.0.blocking().settle(session, "POST", Some(200)) {
            Ok(committed) => (200, committed.set_cookie().map(|cookie| cookie.as_str().to_owned())),
            Err(error) => (error.http_status(), None),
        }
    }

    /// A browser's cookie after such a request.
    fn begun(&self, owner: &str) -> String {
        let begin = |session: &Session| {
            session.insert("cart", &1)?;
            if owner == "-" { Ok(()) } else { session.login(owner) }
        };
        self.0.blocking().test_cookie(begin).unwrap()
    }

    fn change(&self, cookie: &str, handler: impl FnOnce(&Session)) -> String {
        let (_, cookie) = self.handle(&[cookie], handler);
        cookie.unwrap().split(';').next().unwrap().to_owned()
    }

    /// The sessions that live, as the table shows them.
    fn shown(&self, first: Option<cloakroom::Handle>) -> String {
        let mut shown = Vec::new();
        let mut visit = |record: Record| {
            let owner = record.owner().map_or("-".to_owned(), ToString::to_string);
            let mark = if Some(*record.handle()) == first { '!' } else { ' ' };
            let names: Vec<_> = record.data().iter().map(|(name, _)| name.to_owned()).collect();
            shown.push(format!("{owner}{mark}{}", names.join(",")));
            std::ops::ControlFlow::Continue(())
        };
        support_block_on(self.0.store().scan(START, &mut visit)).unwrap();
        shown.sort();
        shown.join(" ")
    }

    /// Makes the scene, and what the late request comes with: the session that it has opened.
    fn scene(&self, found: &str) -> (Session, Option<cloakroom::Handle>) {
        let open = |cookies: &[&str]| self.0.blocking().open(cookies).unwrap();
        let (is_late, found) = match found.strip_prefix("on ") {
            Some(found) => (true, found),
            None => (false, found),
        };
        let owner = found.split([' ', ',']).find(|word| ["-", "A", "B"].contains(word)).unwrap_or("-");
        let cookie = match found {
            "blank" => return (open(&[]), None),
            "dead id" | "dead id, login A" => {
                let dead = format!("__Host-sid={}", SessionId::generate().unwrap().expose());
                let session = open(&[&dead]);
                if found != "dead id" {
                    self.change(&dead, |session| session.login("A").unwrap());
                }
                return (session, None);
            }
            "twice A" => {
                let cookie = self.begun("A");
                let first = open(&[&cookie]).handle();
                let [one, two] = [(); 2].map(|()| open(&[&cookie]));
                let cookies = [one, two].map(|session| {
                    session.login("A").unwrap();
                    self.settle(session).1.unwrap().split(';').next().unwrap().to_owned()
                });
                return (open(&[&cookies[1]]), first);
            }
            "A and A" | "A and B" => {
                let first = self.begun("A");
                let second = self.begun(&found[6..]);
                return (open(&[&first, &second]), open(&[&first]).handle());
            }
            _ => self.begun(owner),
        };
        let (early, first) = (open(&[&cookie]), open(&[&cookie]).handle());
        let key = SessionKey::of(&SessionId::parse(cookie.split_once('=').unwrap().1).unwrap());
        let login = |owner: &str| self.change(&cookie, |session| session.login(owner).unwrap());
        let rotate = || self.change(&cookie, |session| session.rotate().unwrap());
        match found.split_once(owner).unwrap().0.trim() {
            "live" => {}
            "moved" => drop(rotate()),
            "moved 4 times" | "moved 5 times" => {
                let times = if found.contains('4') { 4 } else { 5 };
                (0..times).fold(cookie.clone(), |cookie, _| self.change(&cookie, |session| session.rotate().unwrap()));
            }
            "moved and changed" => drop(self.handle(&[&rotate()], |session| session.insert("put", &0).unwrap())),
            "moved and ended" => drop(self.handle(&[&rotate()], |session| session.destroy().unwrap())),
            "moved and replaced" => drop(self.change(&rotate(), |session| session.login("B").unwrap())),
            "logged in again" => {
                CLOCK.with(|clock| clock.advance(MINUTE / 60));
                drop(login(owner));
            }
            "reauthenticated" => {
                CLOCK.with(|clock| clock.advance(MINUTE / 60));
                drop(self.change(&cookie, |session| session.reauthenticated().unwrap()));
            }
            "replaced" => drop(login(&found[found.len() - 1..])),
            "ended" => drop(self.handle(&[&cookie], |session| session.destroy().unwrap())),
            "gone" => drop(support_block_on(self.0.store().destroy(&key, None)).unwrap()),
            other => panic!("no scene {other:?}"),
        }
        if found.ends_with(", login A") {
            drop(login("A"));
        }
        (if is_late { open(&[&cookie]) } else { early }, first)
    }
}

thread_local! {
    static CLOCK: ManualClock = ManualClock::at(START);
}

fn support_block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}

fn want(session: &Session, wants: &str) {
    for wants in wants.split(", ") {
        // Of what is locked the error is the handler's to show; the response is the error's in any case.
        let _ = match wants {
            "nothing" => Ok(()),
            "put" => session.insert("put", &1),
            "modify" => session.modify("modify", |n: Option<u8>| Some(n.unwrap_or(0) + 1)),
            "remove" => session.remove("cart").map(drop),
            "rotate" => session.rotate(),
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
