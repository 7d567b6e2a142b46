//! The example shop in a real browser: Chromium, driven by ChromeDriver (Debian's packages `chromium` and
//! `chromium-driver`). With `SHOP_SCREENSHOTS` set to a directory, pictures of the pages are left there.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

#[path = "shop/http.rs"]
#[allow(dead_code, reason = "shared with the tests that need no browser")]
mod http;
#[path = "shop/server.rs"]
#[allow(dead_code, reason = "shared with the tests that need no browser")]
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloakroom::cookie::Cookie;
use cloakroom::{MemoryStore, Sessions};
use serde_json::{Value, json};
use server::Server;
use tempfile::TempDir;

/// A ChromeDriver process.
struct Driver {
    child: Child,
    address: SocketAddr,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("chromedriver runs; install the packages chromium and chromium-driver");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let started = lines.find(|line| line.contains("started successfully on port")).unwrap();
        let port = started.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
        // Whatever else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }

    /// One command of the WebDriver protocol; its value, or its error.
    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let headers = [("content-type", "application/json")];
        let reply = http::request(self.address, method, path, &headers, &body).unwrap();
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
        let value = answer["value"].take();
        if reply.status == 200 { Ok(value) } else { Err(value) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // With the browsers that it started: a test that fails may leave some.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// A browser with a profile of its own.
struct Browser<'d> {
    driver: &'d Driver,
    path: String,
    origin: String,
    _profile: TempDir,
}

impl<'d> Browser<'d> {
    fn open(driver: &'d Driver, origin: String) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1200,900",
            // Every host is this one, so that cookies of any domain can be tried.
            "--host-resolver-rules=MAP * 127.0.0.1",
            &user_data,
        ];
        let capabilities =
            json!({ "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": { "args": args } } });
        let session = driver.command("POST", "/session", &json!({ "capabilities": capabilities })).unwrap();
        let path = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Self { driver, path, origin, _profile: profile }
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, Value> {
        self.driver.command("POST", &format!("{}/{what}", self.path), body)
    }

    fn ask(&self, what: &str) -> Result<Value, Value> {
        self.driver.command("GET", &format!("{}/{what}", self.path), &Value::Null)
    }

    fn go(&self, url: &str) {
        let url = if url.starts_with('/') { format!("{}{url}", self.origin) } else { url.to_owned() };
        self.post("url", &json!({ "url": url })).unwrap();
    }

    /// Tries until it works: a page may still be on its way when a click returns.
    #[track_caller]
    fn wait<T>(&self, what: &str, attempt: impl Fn() -> Result<T, Value>) -> T {
        let patience = Instant::now();
        loop {
            match attempt() {
                Ok(value) => return value,
                Err(_) if patience.elapsed() < Duration::from_secs(20) => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => panic!("{what}: {error}; the page: {:?}", self.text("body")),
            }
        }
    }

    /// All elements that a CSS selector finds.
    fn all(&self, selector: &str) -> Result<Vec<String>, Value> {
        let found = self.post("elements", &json!({ "using": "css selector", "value": selector }))?;
        let id = |element: &Value| element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        Ok(found.as_array().unwrap().iter().map(id).collect())
    }

    fn one(&self, selector: &str) -> Result<String, Value> {
        match &self.all(selector)?[..] {
            [element] => Ok(element.clone()),
            many => Err(format!("{} elements are {selector}", many.len()).into()),
        }
    }

    fn text(&self, selector: &str) -> Result<Value, Value> {
        self.ask(&format!("element/{}/text", self.one(selector)?))
    }

    #[track_caller]
    fn click(&self, selector: &str) {
        self.wait(selector, || self.post(&format!("element/{}/click", self.one(selector)?), &json!({})));
    }

    #[track_caller]
    fn write(&self, selector: &str, text: &str) {
        let text = json!({ "text": text });
        self.wait(selector, || self.post(&format!("element/{}/value", self.one(selector)?), &text));
    }

    #[track_caller]
    fn shows(&self, selector: &str, text: &str) {
        self.wait(selector, || match self.text(selector)? {
            Value::String(shown) if shown == text => Ok(()),
            other => Err(other),
        });
    }

    #[track_caller]
    fn counts(&self, selector: &str, count: usize) {
        self.wait(selector, || match self.all(selector)?.len() {
            found if found == count => Ok(()),
            other => Err(other.into()),
        });
    }

    fn cookie(&self, name: &str) -> Option<Value> {
        self.ask("cookie").unwrap().as_array().unwrap().iter().find(|cookie| cookie["name"] == name).cloned()
    }

    fn picture(&self, name: &str) {
        if let Some(dir) = std::env::var_os("SHOP_SCREENSHOTS") {
            let png = STANDARD.decode(self.ask("screenshot").unwrap().as_str().unwrap()).unwrap();
            fs::write(Path::new(&dir).join(name).with_extension("png"), png).unwrap();
        }
    }

    fn log_in(&self, user: &str, password: &str) {
        self.go("/login");
        self.write("input[name=user]", user);
        self.write("input[name=password]", password);
        self.click("main button");
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        let _ = http::request(self.driver.address, "DELETE", &self.path, &[], "");
    }
}

fn shop() -> (TempDir, Server) {
    let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
    let shop = Server::start(dir.path(), &[]);
    (dir, shop)
}

#[test]
fn chromium_takes_the_secure_host_cookie_on_both_names_of_this_host() {
    let (_dir, shop) = shop();
    let driver = Driver::start();
    for host in ["127.0.0.1", "localhost"] {
        let browser = Browser::open(&driver, format!("http://{host}:{}", shop.address.port()));
        browser.go("/");
        browser.click(".card.hat button");
        browser.shows("#items", "1");
        let cookie = browser.cookie("__Host-shop").unwrap_or_else(|| panic!("no cookie on {host}"));
        assert_eq!((&cookie["secure"], &cookie["httpOnly"]), (&true.into(), &true.into()));
        assert_eq!((&cookie["sameSite"], &cookie["path"]), (&"Lax".into(), &"/".into()));
        assert!(cookie["expiry"].is_null(), "it goes with the browser");
    }
}

#[test]
fn a_visit_from_the_banner_to_the_logout() {
    let (_dir, shop) = shop();
    let driver = Driver::start();
    let here = Browser::open(&driver, format!("http://{}", shop.address));

    here.go("/");
    here.picture("1-catalogue");
    here.click(".banner button[value=necessary]");
    here.counts(".banner", 0);
    here.shows("footer", "Cookies: necessary.");

    for (item, count) in [("hat", "1"), ("hat", "2"), ("umbrella", "3")] {
        here.click(&format!(".card.{item} button"));
        here.shows("#items", count);
    }
    here.picture("2-filled");
    here.click("a.cart");
    here.shows("tfoot .number", "€ 312.00");
    here.picture("3-cart");

    here.log_in("customer1", "wrong");
    here.shows(".problem", "Wrong name or password.");
    here.picture("4-wrong-password");
    let before = here.cookie("__Host-shop").unwrap()["value"].clone();
    here.write("input[name=user]", "customer1");
    here.write("input[name=password]", "open-sesame");
    here.click("input[name=remember]");
    here.click("main button");
    here.shows("nav a[href='/devices']", "customer1");
    here.shows("#items", "3");
    let after = here.cookie("__Host-shop").unwrap();
    assert_ne!(after["value"], before);
    assert!(after["expiry"].is_number(), "remember me outlives the browser");

    let there = Browser::open(&driver, format!("http://{}", shop.address));
    there.log_in("customer1", "open-sesame");
    there.shows("nav a[href='/devices']", "customer1");
    here.click("nav a[href='/devices']");
    here.counts(".devices li", 2);
    here.counts(".devices .badge", 1);
    here.shows(".devices li:first-child .badge", "this device");
    here.picture("5-devices");
    there.go("/devices");
    there.click("main > form button");
    there.counts(".devices li", 1);

    here.go("/");
    here.shows("nav a:last-child", "Log in");
    here.shows("#items", "0");

    there.click("nav form button");
    there.shows("nav a:last-child", "Log in");
    assert!(there.cookie("__Host-shop").is_none());
    there.go("/nowhere");
    there.shows("h1", "Nothing here");
    there.picture("6-nowhere");
}

/// A site that sets whatever cookie the query says (`?set=`), logs in (`?login`) with a cookie that anyone may plant, and
/// answers with the cookies that came and who is logged in.
fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cookie = Cookie::named("sid").insecure();
    let sessions = Sessions::builder(MemoryStore::new()).cookie(cookie).build().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let lines: Vec<_> = lines.collect();
            let value = |name: &str| {
                let of = |line: &String| {
                    let (other, value) = line.split_once(": ")?;
                    other.eq_ignore_ascii_case(name).then(|| value.to_owned())
                };
                lines.iter().find_map(of).unwrap_or_default()
            };
            let Some(target) = lines.first().and_then(|line| line.split(' ').nth(1)) else { continue };
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let (host, cookies) = (value("host"), value("cookie"));
            let presented = sessions.presented([&cookies]).asked_at(|| (&host, path));
            let session = sessions.blocking().open_presented(presented).unwrap();
            let who = session.owner().unwrap().map(|owner| owner.to_string()).unwrap_or_default();
            if query == "login" {
                session.login("ada").unwrap();
            }
            let committed = sessions.blocking().commit(session).unwrap();
            let headers = committed.into_headers(&mut std::iter::empty());
            let mut head: String = headers.map(|header| format!("{}: {}\r\n", header.name(), header.value())).collect();
            if let Some(set) = query.strip_prefix("set=") {
                let bytes = (0..set.len()).step_by(2).map(|at| u8::from_str_radix(&set[at..at + 2], 16).unwrap());
                head.push_str(&format!("set-cookie: {}\r\n", String::from_utf8(bytes.collect()).unwrap()));
            }
            let body = format!("{cookies}|{who}");
            let length = body.len();
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n{head}content-length: {length}\r\n");
            let _ = write!(&stream, "content-type: text/plain\r\n\r\n{body}");
        }
    });
    address
}

impl Browser<'_> {
    /// What the mirror answers to each of these addresses, asked for one after another by a page of the same host.
    fn fetch(&self, addresses: &[String]) -> Vec<String> {
        const SCRIPT: &str = "const [asks, done] = arguments; (async () => { const answers = []; for (const ask of asks) \
            answers.push(await (await fetch(ask, {cache: 'no-store'})).text()); done(answers); })();";
        let answers = self.post("execute/async", &json!({ "script": SCRIPT, "args": [addresses] })).unwrap();
        answers.as_array().unwrap().iter().map(|answer| answer.as_str().unwrap().to_owned()).collect()
    }
}

/// The address that sets a cookie.
fn set(cookie: &str) -> String {
    format!("/?set={}", cookie.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Whether the browser, on a page of `host`, sends the cookie of this scope back to all these paths.
fn is_sent(browser: &Browser<'_>, scope: &str, paths: &[String]) -> bool {
    let mut asks = vec![set(&format!("c=1; {scope}"))];
    asks.extend_from_slice(paths);
    asks.push(set(&format!("c=; Max-Age=0; {scope}")));
    browser.fetch(&asks)[1..=paths.len()].iter().all(|answer| answer.contains("c=1"))
}

#[test]
fn a_cookie_is_refused_whose_path_or_domain_chromium_never_matches() {
    let driver = Driver::start();
    let port = mirror().port();
    let browser = Browser::open(&driver, format!("http://example.org:{port}"));
    browser.go("/");
    let free = || Cookie::named("c").insecure();
    let paths = [
        "/",
        "/shop",
        "/shop/",
        "/a//b",
        "/shop ",
        "/cafe au lait",
        "/caf%C3%A9",
        "/%41",
        "/%zz",
        "/a/...",
        "/a/..b",
        "/a/b..",
        "/.b",
        "/a/../b",
        "/a/./b",
        "/a/..",
        "/a/.",
        "/..",
        "/.",
        "/%2e",
        "/a/%2E%2e/b",
        "/.%2e",
    ];
    let bytes = (' '..='~').filter(|byte| *byte != ';').map(|byte| format!("/p{byte}q"));
    for path in paths.map(str::to_owned).into_iter().chain(bytes) {
        let below = format!("{}/x", path.trim_end_matches('/'));
        let is_sent = is_sent(&browser, &format!("Path={path}"), &[path.clone(), below]);
        assert_eq!(free().path(&path).build().is_ok(), is_sent, "{path:?}");
    }
    // Names that no host has, although Chromium would match them.
    let nowhere = ["x.org.", "a..b", "-x", "-x.org", "x-.org", "a.-"];
    let longest = ["a".repeat(63), "a".repeat(64)].map(|label| format!("{label}.org"));
    for (host, domain) in [
        ("example.org", "example.org"),
        ("shop.example.org", "example.org"),
        ("shop.example.org", ".example.org"),
        ("shop.example.org", "..example.org"),
        ("shop.example.org", "Example.ORG"),
        ("shop.example.org", "example.org."),
        ("x.org.", "x.org."),
        ("a..b", "a..b"),
        ("-x", "-x"),
        ("-x.org", "-x.org"),
        ("x-.org", "x-.org"),
        ("a.-", "a.-"),
        ("a_b.org", "a_b.org"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", ".127.0.0.1"),
        ("1.2.3", "1.2.3"),
        ("01.2.3.4", "01.2.3.4"),
        ("0x7f.1", "0x7f.1"),
        ("a.1b", "a.1b"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        (&longest[0], &longest[0]),
    ] {
        browser.go(&format!("http://{host}:{port}/"));
        let is_sent = is_sent(&browser, &format!("Domain={domain}; Path=/"), &["/x".to_owned()]);
        let is_taken = free().domain(domain).build().is_ok();
        assert_eq!(is_taken, is_sent && !nowhere.contains(&domain), "{domain} on {host}");
    }
    assert!(free().domain(&longest[1]).build().is_err());
}

#[test]
fn a_login_gets_through_though_as_many_planted_cookies_hide_it_as_are_looked_up() {
    let driver = Driver::start();
    let browser = Browser::open(&driver, format!("http://shop.example.org:{}", mirror().port()));
    browser.go("/");
    let scopes =
        ["example.org; Path=/a/b", "example.org; Path=/a/", "shop.example.org; Path=/a/b", "example.org; Path=/a"];
    let plant = |(id, scope): (usize, &str)| set(&format!("sid={}; Domain={scope}", id.to_string().repeat(32)));
    let mut asks: Vec<_> = scopes.into_iter().enumerate().map(plant).collect();
    asks.extend(["/a/b", "/a/b?login", "/a/b"].map(str::to_owned));
    let answers = browser.fetch(&asks);
    let [.., hidden, _, found] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(hidden.matches("sid=").count(), 4, "{hidden}");
    assert!(found.matches("sid=").count() == 1 && found.ends_with("|ada"), "{found}");
}

/// Another site, that puts this page wherever one looks; on another port of this host, so that the browser sends our
/// cookies along with its forms, SameSite or not.
fn other_site(page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            head.for_each(drop);
            let length = page.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n");
            let _ = write!(&stream, "{head}content-type: text/html\r\n\r\n{page}");
        }
    });
    address
}

#[test]
fn a_form_of_another_site_is_refused_though_the_cookies_come_along() {
    let (_dir, shop) = shop();
    let driver = Driver::start();
    let browser = Browser::open(&driver, format!("http://{}", shop.address));
    browser.go("/");
    browser.click(".card.hat button");
    browser.shows("#items", "1");
    let action = format!("http://{}/cart/add", shop.address);
    let other = other_site(format!(
        r#"<form method="post" action="{action}"><input name="item" value="hat"><button>Win a hat</button></form>"#
    ));
    browser.go(&format!("http://{other}/"));
    browser.click("button");
    browser.shows("h1", "That form is out of date");
    browser.go("/");
    browser.shows("#items", "1");
}
