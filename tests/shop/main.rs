//! The example shop, as a process, over HTTP.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

mod http;
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::{Clock, FileStore, Store, SystemClock};
use http::{FORM, Reply, Visitor, encode, head, request};
use server::Server;
use tempfile::TempDir;

const SESSION: &str = "__Host-shop";
const TOKEN: &str = "__Host-form";
const CONSENT: &str = "__Host-consent";

fn dir() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn shop(dir: &TempDir) -> Server {
    Server::start(dir.path(), &[])
}

/// How many sessions the directory holds, as a third process sees it.
fn stored(dir: &Path) -> u64 {
    let store = FileStore::open(dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.count(SystemClock.now())).unwrap()
}

/// Whether this session id still opens a session with something in it.
fn is_alive(shop: &Server, id: &str) -> bool {
    let mut visitor = Visitor::new(shop.address);
    visitor.cookies.insert(SESSION.to_owned(), id.to_owned());
    !visitor.state()["handle"].is_null()
}

#[test]
fn carts_and_logins_survive_kill_9_and_restart() {
    let dir = dir();
    let first = shop(&dir);
    let (mut guest, mut customer) = (Visitor::new(first.address), Visitor::new(first.address));
    guest.add("hat");
    guest.add("hat");
    customer.log_in("customer1");
    customer.add("coat");
    let mut undecided = Visitor::new(first.address);
    let token = undecided.token();
    first.kill();

    let second = shop(&dir);
    (guest.address, customer.address) = (second.address, second.address);
    assert_eq!(guest.state()["items"], 2);
    assert_eq!((&customer.state()["user"], &customer.state()["items"]), (&"customer1".into(), &1.into()));
    // So does the form of someone for whom nothing was stored yet.
    undecided.address = second.address;
    assert_eq!(undecided.post_raw("/cart/add", &[("csrf", &token), ("item", "scarf")]).status, 303);
}

#[test]
fn a_session_is_found_by_a_second_process_on_the_same_directory_at_once() {
    let dir = dir();
    let (one, two) = (shop(&dir), shop(&dir));
    let mut visitor = Visitor::new(one.address);
    // The form comes from one server and is sent to the other.
    let token = visitor.token();
    visitor.address = two.address;
    assert_eq!(visitor.post_raw("/cart/add", &[("csrf", &token), ("item", "hat")]).status, 303);
    visitor.address = one.address;
    assert_eq!(visitor.state()["items"], 1);
    visitor.log_in("customer1");
    visitor.address = two.address;
    assert_eq!(visitor.state()["user"], "customer1");
}

#[test]
fn two_hundred_adds_at_once_split_over_two_processes_lose_nothing() {
    let dir = dir();
    let shops = [shop(&dir), shop(&dir)];
    let mut visitor = Visitor::new(shops[0].address);
    visitor.add("hat");
    let token = visitor.token();
    std::thread::scope(|scope| {
        for request in 0..200 {
            let (mut visitor, token, shops) = (visitor.clone(), &token, &shops);
            scope.spawn(move || {
                visitor.address = shops[request % 2].address;
                let reply = visitor.post_raw("/cart/add", &[("csrf", token.as_str()), ("item", "gloves")]);
                assert_eq!(reply.status, 303, "{}", reply.body);
            });
        }
    });
    assert_eq!(visitor.state()["items"], 201);
}

#[test]
fn an_id_fixed_from_outside_is_replaced() {
    let dir = dir();
    let shop = shop(&dir);
    let planted = "A".repeat(32);
    let mut visitor = Visitor::new(shop.address);
    visitor.cookies.insert(SESSION.to_owned(), planted.clone());
    visitor.add("hat");
    assert_ne!(visitor.cookies[SESSION], planted);
    assert!(!is_alive(&shop, &planted));

    visitor.cookies.insert(SESSION.to_owned(), planted.clone());
    visitor.log_in("customer1");
    assert_ne!(visitor.cookies[SESSION], planted);
    assert!(!is_alive(&shop, &planted));
}

#[test]
fn logging_in_changes_the_id_kills_the_old_one_and_keeps_the_cart() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    visitor.add("hat");
    let before = visitor.cookies[SESSION].clone();
    assert!(is_alive(&shop, &before));
    visitor.log_in("customer1");
    assert_ne!(visitor.cookies[SESSION], before);
    assert!(!is_alive(&shop, &before));
    assert_eq!((&visitor.state()["user"], &visitor.state()["items"]), (&"customer1".into(), &1.into()));
}

#[test]
fn logging_out_kills_the_id_and_takes_the_cookie_away() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    visitor.log_in("customer1");
    let (before, token) = (visitor.cookies[SESSION].clone(), visitor.token());
    let reply = visitor.post("/logout", &[]);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    assert!(!visitor.cookies.contains_key(SESSION));
    assert!(!is_alive(&shop, &before));
    assert_eq!(stored(dir.path()), 0);
    // Whoever comes to this browser next starts afresh.
    assert_ne!(visitor.token(), token);
    assert!(visitor.state()["user"].is_null());
}

#[test]
fn no_issued_id_is_in_any_file_or_file_name() {
    let dir = dir();
    let shop = shop(&dir);
    let mut ids = BTreeSet::new();
    let mut keep = |visitor: &Visitor| ids.insert(visitor.cookies[SESSION].clone());
    for user in ["customer1", "customer2"] {
        let mut visitor = Visitor::new(shop.address);
        visitor.add("hat");
        keep(&visitor);
        visitor.log_in(user);
        keep(&visitor);
        visitor.add("coat");
        visitor.post("/logout", &[]);
        visitor.log_in(user);
        keep(&visitor);
    }
    assert_eq!(ids.len(), 6);
    shop.kill();
    let needles: Vec<Vec<u8>> =
        ids.iter().flat_map(|id| [id.clone().into_bytes(), URL_SAFE_NO_PAD.decode(id).unwrap()]).collect();
    let files = files_below(dir.path());
    assert!(files.iter().any(|(_, content)| holds(content, b"customer1")), "the search finds what is there");
    for (name, content) in files {
        for needle in &needles {
            assert!(!holds(&content, needle) && !holds(name.as_bytes(), needle), "an id stands in {name}");
        }
    }
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

fn files_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn a_crawler_stores_no_session_however_much_it_reads() {
    let dir = dir();
    let shop = shop(&dir);
    let paths = ["/", "/cart", "/login", "/devices", "/state", "/state?csrf=1", "/nowhere", "/style.css"];
    for turn in 0..1000 {
        // A crawler keeps no cookies.
        let reply = Visitor::new(shop.address).get(paths[turn % paths.len()]);
        assert_eq!(reply.set_cookie(SESSION), None);
    }
    assert_eq!(stored(dir.path()), 0);
}

#[test]
fn state_tells_all_and_stores_nothing() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    let reply = visitor.get("/state");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.body, r#"{"csrf":null,"handle":null,"items":0,"user":null}"#);
    assert!(visitor.cookies.is_empty());

    let token = visitor.token();
    assert!(visitor.cookies[TOKEN].starts_with(&format!("{token}.")));
    assert_eq!(visitor.state()["csrf"], token, "with the cookie, the token is known");
    assert_eq!(stored(dir.path()), 0);

    visitor.add("hat");
    visitor.add("coat");
    let state = visitor.state();
    assert_eq!((&state["items"], &state["user"]), (&2.into(), &serde_json::Value::Null));
    assert_eq!(state["handle"].as_str().unwrap().len(), 32);
    assert_eq!(state["csrf"], token, "pages in other tabs stay good");
    assert_eq!(stored(dir.path()), 1);
}

#[test]
fn the_token_is_kept_in_the_session() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    visitor.add("hat");
    let token = visitor.token();
    visitor.cookies.remove(TOKEN);
    assert_eq!(visitor.state()["csrf"], token);
    assert_eq!(visitor.post_raw("/cart/add", &[("csrf", &token), ("item", "hat")]).status, 303);
    assert!(!visitor.cookies.contains_key(TOKEN));
}

#[test]
fn a_wrong_token_is_403_and_changes_nothing() {
    let dir = dir();
    let shop = shop(&dir);
    let (mut customer, mut other) = (Visitor::new(shop.address), Visitor::new(shop.address));
    customer.log_in("customer1");
    customer.add("hat");
    let foreign = other.token();
    let handle = customer.state()["handle"].as_str().unwrap().to_owned();
    let posts: [(&str, &[(&str, &str)]); 6] = [
        ("/cart/add", &[("item", "hat")]),
        ("/cart/remove", &[("item", "hat")]),
        ("/login", &[("user", "customer2"), ("password", "open-sesame")]),
        ("/logout", &[]),
        ("/devices/end", &[("handle", &handle)]),
        ("/consent", &[("choice", "all")]),
    ];
    for (path, fields) in posts {
        for token in [None, Some(""), Some("wrong"), Some(foreign.as_str())] {
            let token: Vec<_> = token.map(|token| ("csrf", token)).into_iter().collect();
            let reply = customer.post_raw(path, &[&token, fields].concat());
            assert_eq!(reply.status, 403, "{path}");
            assert_eq!(reply.set_cookie(SESSION), None);
        }
    }
    let state = customer.state();
    assert_eq!((&state["user"], &state["items"]), (&"customer1".into(), &1.into()));
}

#[test]
fn a_visitor_without_a_session_needs_the_signed_cookie_as_well() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    let token = visitor.token();
    let signed = visitor.cookies[TOKEN].clone();
    let forged = format!("{}.{}", "B".repeat(32), signed.split_once('.').unwrap().1);
    let (nothing, guess) = (String::new(), "B".repeat(32));
    for (cookie, sent) in [(None, &token), (None, &nothing), (Some(&token), &token), (Some(&forged), &guess)] {
        visitor.cookies.clear();
        visitor.cookies.extend(cookie.map(|cookie| (TOKEN.to_owned(), cookie.clone())));
        assert_eq!(visitor.post_raw("/cart/add", &[("csrf", sent), ("item", "hat")]).status, 403);
    }
    visitor.cookies.insert(TOKEN.to_owned(), signed);
    assert_eq!(visitor.post_raw("/cart/add", &[("csrf", &token), ("item", "hat")]).status, 303);
}

#[test]
fn every_form_page_has_a_good_token() {
    let dir = dir();
    let shop = shop(&dir);
    for path in ["/", "/cart", "/login"] {
        let mut visitor = Visitor::new(shop.address);
        let page = visitor.get(path).body;
        let token = page.split_once(r#"name="csrf" value=""#).unwrap().1.split('"').next().unwrap();
        assert_eq!(visitor.post_raw("/cart/add", &[("csrf", token), ("item", "hat")]).status, 303, "{path}");
    }
}

#[test]
fn a_wrong_password_is_401() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    let tries =
        [("customer1", "open"), ("customer1", ""), ("nobody", "open-sesame"), ("", ""), ("Customer1", "open-sesame")];
    for (user, password) in tries {
        let reply = visitor.post("/login", &[("user", user), ("password", password)]);
        assert_eq!(reply.status, 401);
        assert!(reply.body.contains("Wrong name or password"));
    }
    assert!(visitor.state()["user"].is_null());
    assert_eq!(stored(dir.path()), 0);
}

#[test]
fn another_users_device_cannot_be_ended() {
    let dir = dir();
    let shop = shop(&dir);
    let (mut one, mut two) = (Visitor::new(shop.address), Visitor::new(shop.address));
    one.log_in("customer1");
    two.log_in("customer2");
    let handle = two.state()["handle"].as_str().unwrap().to_owned();
    for handle in [handle.as_str(), &"0".repeat(32), "no handle", "", "../../etc/passwd"] {
        assert_eq!(one.post("/devices/end", &[("handle", handle)]).status, 404, "{handle}");
    }
    assert_eq!(two.state()["user"], "customer2");
    assert_eq!(one.state()["user"], "customer1");
    // Whoever is not logged in has no devices.
    assert_eq!(Visitor::new(shop.address).post("/devices/end", &[("handle", &handle)]).status, 401);
    assert_eq!(two.state()["user"], "customer2");
}

#[test]
fn logging_out_elsewhere_ends_this_browsers_session_at_its_next_request() {
    let dir = dir();
    let shops = [shop(&dir), shop(&dir)];
    let mut browsers: Vec<_> = (0..4)
        .map(|browser| {
            let mut visitor = Visitor::new(shops[browser % 2].address);
            visitor.log_in("customer1");
            visitor
        })
        .collect();
    let handle = browsers[1].state()["handle"].as_str().unwrap().to_owned();
    let reply = browsers[0].post("/devices/end", &[("handle", &handle)]);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/devices")));
    let users = |browsers: &mut Vec<Visitor>| -> Vec<bool> {
        browsers.iter_mut().map(|browser| browser.state()["user"] == "customer1").collect()
    };
    assert_eq!(users(&mut browsers), [true, false, true, true]);

    let mut someone_else = Visitor::new(shops[0].address);
    someone_else.log_in("customer2");
    assert_eq!(browsers[0].post("/devices/end", &[("others", "on")]).status, 303);
    assert_eq!(users(&mut browsers), [true, false, false, false]);
    assert_eq!(someone_else.state()["user"], "customer2");

    let own = browsers[0].state()["handle"].as_str().unwrap().to_owned();
    let reply = browsers[0].post("/devices/end", &[("handle", &own)]);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    assert!(!browsers[0].cookies.contains_key(SESSION));
    assert_eq!(users(&mut browsers), [false; 4]);
}

#[test]
fn the_devices_page_tells_which_one_is_this_since_when_and_last_seen() {
    let dir = dir();
    let shop = shop(&dir);
    let (mut here, mut there) = (Visitor::new(shop.address), Visitor::new(shop.address));
    there.agent = "<script>alert(\"1\")</script> Windows Chrome/156.0 Safari/537.36";
    here.log_in("customer1");
    there.log_in("customer1");
    let page = here.get("/devices").body;
    assert!(page.contains("Firefox on Linux</strong> <span class=\"badge\">this device</span>"), "{page}");
    assert!(page.contains("Chrome on Windows</strong><br>"), "{page}");
    assert_eq!(page.matches("this device").count(), 1);
    assert_eq!(page.matches("logged in <time").count(), 2);
    assert_eq!(page.matches("last seen <time").count(), 2);
    assert!(page.contains("Log out everywhere else"));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    for visitor in [&mut here, &mut there] {
        assert!(page.contains(visitor.state()["handle"].as_str().unwrap()));
        assert!(!page.contains(&visitor.cookies[SESSION]));
    }
    // A page for whom there is nothing to see.
    let reply = Visitor::new(shop.address).get("/devices");
    assert_eq!((reply.status, reply.header("location")), (303, Some("/login")));
}

#[test]
fn the_consent_choice_is_a_signed_cookie_of_its_own() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    let has_banner = |visitor: &mut Visitor| visitor.get("/").body.contains(r#"action="/consent""#);
    assert!(has_banner(&mut visitor));
    for choice in ["all", "necessary"] {
        let reply = visitor.post("/consent", &[("choice", choice)]);
        assert_eq!(reply.status, 303);
        let set = reply.set_cookie(CONSENT).unwrap();
        assert!(set.starts_with(&format!("{CONSENT}={choice}.")) && set.contains("Max-Age="), "{set}");
        assert!(!has_banner(&mut visitor));
        assert!(visitor.get("/cart").body.contains(&format!("Cookies: {choice}.")));
    }
    let signed = visitor.cookies[CONSENT].clone();
    for forged in ["all".to_owned(), signed.replace("necessary", "all")] {
        visitor.cookies.insert(CONSENT.to_owned(), forged);
        assert!(has_banner(&mut visitor));
    }
    assert_eq!(visitor.post("/consent", &[("choice", "some")]).status, 400);
    assert_eq!(stored(dir.path()), 0);
}

#[test]
fn remember_me_makes_the_cookie_permanent_and_the_session_longer() {
    let dir = dir();
    let shop = Server::start(dir.path(), &["--idle", "1", "--absolute", "2"]);
    let (mut remembered, mut passing) = (Visitor::new(shop.address), Visitor::new(shop.address));
    let form = [("user", "customer1"), ("password", "open-sesame"), ("remember", "on")];
    let reply = remembered.post("/login", &form);
    let age = |reply: &Reply| -> Option<u64> {
        let set = reply.set_cookie(SESSION).unwrap();
        let (_, age) = set.split_once("Max-Age=")?;
        age.split(';').next().unwrap().parse().ok()
    };
    let thirty_days = 30 * 24 * 60 * 60;
    assert!(age(&reply).is_some_and(|age| (thirty_days - 5..=thirty_days).contains(&age)));
    assert_eq!(age(&passing.log_in("customer1")), None);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(remembered.state()["user"], "customer1");
    assert!(passing.state()["user"].is_null());
}

#[test]
fn an_idle_session_ends() {
    let dir = dir();
    let shop = Server::start(dir.path(), &["--idle", "4"]);
    let (mut busy, mut idle) = (Visitor::new(shop.address), Visitor::new(shop.address));
    busy.log_in("customer1");
    idle.log_in("customer1");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(5_500) {
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(busy.state()["user"], "customer1");
    }
    assert!(idle.state()["user"].is_null());
}

#[test]
fn a_session_ends_at_its_absolute_timeout_however_busy() {
    let dir = dir();
    let shop = Server::start(dir.path(), &["--absolute", "3"]);
    let mut busy = Visitor::new(shop.address);
    busy.log_in("customer1");
    let begin = Instant::now();
    while busy.state()["user"] == "customer1" {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never ends");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begin.elapsed() > Duration::from_millis(2_500), "it ended too early");
}

#[test]
fn every_durability_serves() {
    for durability in ["always", "every", "never"] {
        let dir = dir();
        let shop = Server::start(dir.path(), &["--durability", durability]);
        let mut visitor = Visitor::new(shop.address);
        visitor.add("hat");
        assert_eq!(visitor.state()["items"], 1);
        // A killed process loses nothing at any level: what was written is the system's by then.
        shop.kill();
        visitor.address = Server::start(dir.path(), &["--durability", durability]).address;
    }
}

#[test]
fn sigterm_finishes_the_request_under_way() {
    let dir = dir();
    let mut shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    let body = encode(&[("csrf", &visitor.token()), ("item", "hat")]);
    let cookies = visitor.cookie_header();
    let mut stream = TcpStream::connect(shop.address).unwrap();
    let head = head(shop.address, "POST", "/cart/add", &[("cookie", &cookies), FORM], body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..5]).unwrap();
    // The server has read this much before the signal comes.
    std::thread::sleep(Duration::from_millis(200));
    shop.terminate();
    let patience = Instant::now();
    while TcpStream::connect(shop.address).is_ok() {
        assert!(patience.elapsed() < Duration::from_secs(5), "it goes on taking new connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(&body.as_bytes()[5..]).unwrap();
    let reply = Reply::read(stream).unwrap();
    assert_eq!(reply.status, 303);
    assert!(shop.wait().success());

    visitor.keep(&reply);
    let next = Server::start(dir.path(), &[]);
    visitor.address = next.address;
    assert_eq!(visitor.state()["items"], 1);
}

#[test]
fn a_cart_counts_and_can_be_emptied() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    for item in ["hat", "coat", "hat"] {
        visitor.add(item);
    }
    let page = visitor.get("/cart").body;
    assert!(page.contains("Felt hat") && page.contains("€ 238.00") && page.contains("€ 527.00"), "{page}");
    assert!(visitor.get("/").body.contains(r#"<span class="badge" id="items">3</span>"#));
    assert_eq!(visitor.post("/cart/remove", &[("item", "hat")]).status, 303);
    assert_eq!(visitor.state()["items"], 1);
    assert_eq!(visitor.post("/cart/remove", &[("item", "coat")]).status, 303);
    assert!(visitor.get("/cart").body.contains("Nothing in it yet"));
}

#[test]
fn bad_input_is_told_so_and_stores_nothing() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    for item in ["unicorn", "", "<b>"] {
        let reply = visitor.post("/cart/add", &[("item", item)]);
        assert_eq!(reply.status, 404);
        assert!(reply.body.contains("No such item"));
    }
    assert_eq!(visitor.post("/cart/add", &[]).status, 404);
    assert_eq!(visitor.get("/nowhere").status, 404);
    assert_eq!(visitor.get("/cart/add").status, 405);
    let huge = "x".repeat(100_000);
    assert_eq!(visitor.post("/cart/add", &[("item", &huge)]).status, 413);
    let json = [("content-type", "application/json")];
    assert_eq!(request(shop.address, "POST", "/cart/add", &json, "{}").unwrap().status, 415);
    visitor.cookies.insert(SESSION.to_owned(), "not%20an\"id".to_owned());
    assert_eq!(visitor.get("/").status, 200);
    assert_eq!(stored(dir.path()), 0);
}

#[test]
fn pages_are_private_and_hardened_and_the_stylesheet_is_cached() {
    let dir = dir();
    let shop = shop(&dir);
    let mut visitor = Visitor::new(shop.address);
    visitor.add("hat");
    for path in ["/", "/cart", "/login", "/state"] {
        let reply = visitor.get(path);
        assert_eq!(reply.status, 200);
        assert_eq!((reply.header("cache-control"), reply.header("vary")), (Some("no-store"), Some("Cookie")), "{path}");
        assert!(reply.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert!(!reply.body.contains("<script"));
    }
    let style = visitor.get("/style.css");
    assert_eq!((style.header("cache-control"), style.header("vary")), (Some("public, max-age=3600"), None));
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn cookies_are_hardened_unless_the_browser_needs_them_otherwise() {
    let dir = dir();
    let shop = shop(&dir);
    let set = |reply: Reply, name| reply.set_cookie(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
    let mut visitor = Visitor::new(shop.address);
    let token = set(visitor.get("/"), TOKEN);
    let session = set(visitor.add("hat"), SESSION);
    for cookie in [token, session] {
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    }
    let insecure = Server::start(dir.path(), &["--insecure-cookie"]);
    let mut visitor = Visitor::new(insecure.address);
    let token = set(visitor.get("/"), "form");
    let session = set(visitor.add("hat"), "shop");
    for cookie in [token, session] {
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    }
}

#[test]
fn the_signing_key_is_readable_by_nobody_else() {
    let dir = dir();
    let _shop = shop(&dir);
    let mode = fs::metadata(dir.path().join("cookie.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_url_chooses_the_store() {
    let (keys, sessions) = (dir(), dir());
    let url = format!("file:{}", sessions.path().display());
    let first = Server::start(keys.path(), &["--store", &url]);
    let mut visitor = Visitor::new(first.address);
    visitor.add("hat");
    let id = visitor.cookies[SESSION].clone();
    first.kill();
    assert_eq!(stored(sessions.path()), 1);
    assert!(is_alive(&Server::start(keys.path(), &["--store", &url]), &id));
    assert!(!is_alive(&Server::start(keys.path(), &["--store", "memory:"]), &id));
    let nowhere = ["--port", "0", "--store", "carrier-pigeon://t:not-shown@coop"];
    let output = Command::new(server::binary()).args(nowhere).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("file:") && !told.contains("not-shown"), "{told}");
}

#[test]
fn a_wrong_option_is_told_with_the_usage() {
    let wrong: [&[&str]; 6] = [
        &["--prot", "1"],
        &["--port"],
        &["--port", "70000"],
        &["--idle", "0"],
        &["--absolute", "soon"],
        &["--durability", "sometimes"],
    ];
    for options in wrong {
        let output = Command::new(server::binary()).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("usage: shop"));
    }
}
