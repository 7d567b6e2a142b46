//! A site, behind its layer, whose disk is full or only to read: what its visitors get.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloakroom::tower::{SessionLayer, session_of};
use cloakroom::{FileStore, ManualClock, Sessions};
use http::header::{COOKIE, SET_COOKIE};
use http::{Method, Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::process::{Process, listen, say};
use super::support::{NOW, block_on, not_tried, place};

/// More than any file system here has room for.
const MANY: usize = 10_000;

/// In the child: a request a line, with the cookie of one visitor, who is logged in. Says the status, and what came of the
/// cookie.
pub fn serve(place: &Path, logged_in: &str) {
    let clock = ManualClock::at(NOW);
    let store = FileStore::options().segment_bytes(64 << 10).open(place.join("store")).unwrap();
    let sessions =
        Sessions::builder(store).idle_timeout(Duration::from_secs(360_000)).clock(clock.clone()).build().unwrap();
    let cookie = match logged_in {
        "" => {
            let kept =
                |n: usize| block_on(sessions.test_cookie(|session| session.insert("cart", &vec![n; 200]))).unwrap();
            (0..40).for_each(|n| drop(kept(n)));
            let cookie = block_on(sessions.test_cookie(|session| {
                session.insert("cart", &[7_u8])?;
                session.login("ada")
            }))
            .unwrap();
            fs::write(place.join("cookie"), &cookie).unwrap();
            cookie
        }
        cookie => cookie.to_owned(),
    };
    let handler = |request: Request<()>| async move {
        let session = match request.uri().path() {
            "/asset" => return Ok(Response::new(String::new())),
            _ => session_of(request.extensions()).await,
        };
        let growing = |cart: Option<Vec<u8>>| Some([cart.unwrap_or_default(), vec![7; 500]].concat());
        let done = session.and_then(|session| match request.uri().path() {
            "/look" => session.get::<Vec<u8>>("cart").map(|cart| cart.is_some()),
            "/change" => session.modify("cart", growing).map(|()| true),
            "/logout" => session.destroy().map(|()| true),
            _ => session.login("bob").map(|()| true),
        });
        let status = done.map_or(503, |found| if found { 200 } else { 404 });
        Ok::<_, Infallible>(Response::builder().status(status).body(String::new()).unwrap())
    };
    let layer = SessionLayer::new(sessions);
    say("open");
    while let Some(told) = listen() {
        if told == "fill" {
            fill(&place.join("filler"));
            say("filled");
            continue;
        }
        // Each request comes six minutes after the one before it, so that a touch of the session is due at each.
        clock.advance(Duration::from_secs(360));
        let method = if told == "/look" || told == "/asset" { Method::GET } else { Method::POST };
        let request = Request::builder().method(method).uri(&told).header(COOKIE, &cookie).body(()).unwrap();
        let response = block_on(layer.layer(service_fn(handler)).oneshot(request)).unwrap();
        let cookie = match response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap()) {
            None => "kept",
            Some(cookie) if cookie.contains("Max-Age=0") => "removed",
            Some(_) => "new",
        };
        say(&format!("{} {cookie}", response.status().as_u16()));
    }
}

/// Takes all that the file system has left, to the last byte.
fn fill(filler: &Path) {
    let mut file = File::options().create(true).append(true).open(filler).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// A child that serves a site in a mount namespace of its own, after these commands of a shell, in which `$0` is the place.
fn site(mounts: &str, place: &Path, logged_in: &str) -> Option<Process> {
    let program = std::env::current_exe().unwrap();
    let command = |program: &Path| {
        let mut unshared = Command::new("unshare");
        unshared.args(["-m", "sh", "-c", &format!("{mounts} && exec \"$@\"")]).arg(place).arg(program);
        unshared
    };
    if !command(Path::new("true")).status().is_ok_and(|status| status.success()) {
        not_tried("only root can give another process a file system of its own");
        return None;
    }
    let mut site = Process::start_by(&mut command(&program), "site", place, logged_in);
    site.expect("open");
    Some(site)
}

fn answers(site: &mut Process, requests: &[(&str, &str)]) {
    for (request, expected) in requests {
        site.tell(request);
        assert_eq!(site.hear().as_deref(), Some(*expected), "{request}");
    }
}

#[test]
fn on_a_full_disk_every_page_that_changes_nothing_goes_out_and_a_logout_is_a_logout() {
    let (_keep, place) = place();
    fs::create_dir(&place).unwrap();
    let Some(mut site) = site("mount -t tmpfs -o size=4m,mode=700 none \"$0\"", &place, "") else { return };
    answers(&mut site, &[("/asset", "200 kept"), ("/change", "200 kept"), ("/look", "200 kept")]);
    let refused = (0..MANY).find(|_| {
        answers(&mut site, &[("fill", "filled")]);
        site.tell("/change");
        site.hear().unwrap() == "503 kept"
    });
    assert!(refused.is_some(), "the disk does not fill");
    // The store may have found a little room meanwhile.
    for _ in 0..20 {
        answers(&mut site, &[("fill", "filled"), ("/asset", "200 kept"), ("/look", "200 kept")]);
    }
    answers(
        &mut site,
        &[("/change", "503 kept"), ("/look", "200 kept"), ("fill", "filled"), ("/logout", "200 removed")],
    );
    // The visitor's cookie is worth nothing any more, and the store goes on by itself when there is room.
    answers(&mut site, &[("/look", "404 kept")]);
    let filler = Path::new("/proc").join(site.id().to_string()).join("root").join(place.strip_prefix("/").unwrap());
    fs::remove_file(filler.join("filler")).unwrap();
    answers(&mut site, &[("/login", "200 new")]);
    site.end();
}

#[test]
fn where_the_disk_is_only_to_read_every_page_that_changes_nothing_goes_out_and_what_changes_is_an_error() {
    let (_keep, place) = place();
    fs::create_dir(&place).unwrap();
    let Some(written) = site("true", &place, "") else { return };
    written.end();
    let cookie = fs::read_to_string(place.join("cookie")).unwrap();
    let read_only = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
    let mut site = site(read_only, &place, &cookie).unwrap();
    answers(&mut site, &[("/asset", "200 kept"), ("/look", "200 kept"), ("/look", "200 kept")]);
    answers(
        &mut site,
        &[("/change", "503 kept"), ("/login", "503 kept"), ("/logout", "503 kept"), ("/look", "200 kept")],
    );
    site.end();
}
