//! What a request finds at its commit, by its name in the [`table`](crate::table), and what lives then.

use cloakroom::{Handle, ManualClock, Record, RuntimeFree, Session, SessionId, SessionKey, Sessions, Trace};

use crate::support::*;

/// A site over a store that forgets nothing by itself.
pub struct Over<S>(pub Sessions<S>);

impl<S: RuntimeFree> Over<S> {
    pub fn handle(&self, cookies: &[&str], handler: impl FnOnce(&Session)) -> (u16, Option<String>) {
        let session = self.0.blocking().open(cookies).unwrap();
        handler(&session);
        self.settle(session)
    }

    pub fn settle(&self, session: Session) -> (u16, Option<String>) {
        match self.0.blocking().settle(session, "POST", Some(200)) {
            Ok(committed) => (200, committed.set_cookie().map(|cookie| cookie.as_str().to_owned())),
            Err(error) => (error.http_status(), None),
        }
    }

    /// A browser's cookie after such a request.
    pub fn begun(&self, owner: &str) -> String {
        let begin = |session: &Session| {
            session.insert("cart", &1)?;
            if owner == "-" { Ok(()) } else { session.login(owner) }
        };
        self.0.blocking().test_cookie(begin).unwrap()
    }

    pub fn change(&self, cookie: &str, handler: impl FnOnce(&Session)) -> String {
        let (_, cookie) = self.handle(&[cookie], handler);
        cookie.unwrap().split(';').next().unwrap().to_owned()
    }

    /// The sessions that live, as the table shows them.
    pub fn shown(&self, first: Option<Handle>) -> String {
        let mut shown = Vec::new();
        let mut visit = |record: Record| {
            let owner = record.owner().map_or("-".to_owned(), ToString::to_string);
            let mark = if Some(*record.handle()) == first { '!' } else { ' ' };
            let names: Vec<_> = record.data().iter().map(|(name, _)| name.to_owned()).collect();
            shown.push(format!("{owner}{mark}{}", names.join(",")));
            std::ops::ControlFlow::Continue(())
        };
        wait(self.0.store().scan(START, &mut visit)).unwrap();
        shown.sort();
        shown.join(" ")
    }

    /// Makes the scene, and what the late request comes with: the session that it has opened.
    pub fn scene(&self, found: &str) -> (Session, Option<Handle>) {
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
            "twice A" | "twice A, one gone" | "twice A, one ended" => {
                let cookie = self.begun("A");
                let first = open(&[&cookie]).handle();
                let [one, two] = [(); 2].map(|()| open(&[&cookie]));
                let cookies = [one, two].map(|session| {
                    session.login("A").unwrap();
                    self.settle(session).1.unwrap().split(';').next().unwrap().to_owned()
                });
                let late = open(&[&cookies[1]]);
                let ended = Trace::ended(START.plus(MINUTE));
                let trace = found.ends_with("ended").then_some(&ended);
                if found != "twice A" {
                    assert!(wait(self.0.store().destroy(&key_of(&cookies[1]), trace)).unwrap());
                }
                return (late, first);
            }
            "live - and moved A" | "moved A and live -" => {
                let (live, moved) = (self.begun("-"), self.begun("A"));
                self.change(&moved, |session| session.rotate().unwrap());
                let cookies = if found.starts_with("live") { [&live, &moved] } else { [&moved, &live] };
                return (open(&cookies.map(String::as_str)), open(&[&live]).handle());
            }
            _ if found.split(" and ").all(|owner| ["-", "A", "B"].contains(&owner)) && found.contains(" and ") => {
                let cookies: Vec<_> = found.split(" and ").map(|owner| self.begun(owner)).collect();
                let cookies: Vec<_> = cookies.iter().map(String::as_str).collect();
                return (open(&cookies), open(&cookies[..1]).handle());
            }
            _ => self.begun(owner),
        };
        let (early, first) = (open(&[&cookie]), open(&[&cookie]).handle());
        let key = key_of(&cookie);
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
            "replaced" => {
                let by = found.split_once(" by ").unwrap().1;
                drop(login(&by[..1]));
            }
            "moved a minute ago" => {
                rotate();
                CLOCK.with(|clock| clock.advance(MINUTE));
            }
            "ended a minute ago" => {
                drop(self.handle(&[&cookie], |session| session.destroy().unwrap()));
                CLOCK.with(|clock| clock.advance(MINUTE));
            }
            // Another user's form: logged out, and something put in after that.
            "restarted" => drop(self.change(&cookie, |session| {
                session.destroy().unwrap();
                session.insert("put", &0).unwrap();
            })),
            "ended" => drop(self.handle(&[&cookie], |session| session.destroy().unwrap())),
            "gone" => drop(wait(self.0.store().destroy(&key, None)).unwrap()),
            other => panic!("no scene {other:?}"),
        }
        if found.ends_with(", login A") {
            // Another authentication than the first.
            CLOCK.with(|clock| clock.advance(MINUTE / 60));
            drop(login("A"));
        }
        (if is_late { open(&[&cookie]) } else { early }, first)
    }
}

thread_local! {
    pub static CLOCK: ManualClock = ManualClock::at(START);
}

/// The key of the id that a browser sends.
pub fn key_of(cookie: &str) -> SessionKey {
    SessionKey::of(&SessionId::parse(cookie.split_once('=').unwrap().1).unwrap())
}

/// Polls until it is done: a store in files has a thread of its own.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}
