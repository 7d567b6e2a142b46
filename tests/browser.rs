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
