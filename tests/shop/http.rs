//! A small HTTP client: one request a connection, and a cookie jar like a browser's on http://localhost.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The Set-Cookie header of this name.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.all("set-cookie").find(|set| set.split('=').next() == Some(name))
    }

    /// Reads a response: its head, and as many bytes as that announces, or else all there are.
    pub fn read(stream: TcpStream) -> io::Result<Self> {
        let mut stream = BufReader::new(stream);
        let mut line = || -> io::Result<String> {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            Ok(line.trim_end().to_owned())
        };
        let status = line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        while let Some((name, value)) = line()?.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut reply = Self { status, headers, body: String::new() };
        let length = reply.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
        stream.take(length).read_to_string(&mut reply.body)?;
        Ok(reply)
    }
}

/// Sends one request.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(head(address, method, path, headers, body.len()).as_bytes())?;
    stream.write_all(body.as_bytes())?;
    Reply::read(stream)
}

/// A request up to its body.
pub fn head(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
}

/// Someone at a browser, who keeps cookies and fills in forms.
#[derive(Clone)]
pub struct Visitor {
    pub address: SocketAddr,
    pub agent: &'static str,
    pub cookies: BTreeMap<String, String>,
}

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

impl Visitor {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0", cookies: BTreeMap::new() }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "")
    }

    /// Posts these fields and no others.
    pub fn post_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send("POST", path, &encode(fields))
    }

    /// Posts these fields, with the token that a page would have had.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token();
        self.post_raw(path, &[&[("csrf", token.as_str())], fields].concat())
    }

    pub fn state(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.get("/state").body).expect("/state is JSON")
    }

    pub fn token(&mut self) -> String {
        let state: serde_json::Value = serde_json::from_str(&self.get("/state?csrf=1").body).expect("/state is JSON");
        state["csrf"].as_str().expect("a token").to_owned()
    }

    pub fn log_in(&mut self, user: &str) -> Reply {
        let reply = self.post("/login", &[("user", user), ("password", "open-sesame")]);
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply
    }

    pub fn add(&mut self, item: &str) -> Reply {
        let reply = self.post("/cart/add", &[("item", item)]);
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply
    }

    /// What the Cookie header says.
    pub fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let cookies = self.cookie_header();
        let headers = [("user-agent", self.agent), ("cookie", &cookies), FORM];
        let reply = request(self.address, method, path, &headers, body).expect("the shop answers");
        self.keep(&reply);
        reply
    }

    pub fn keep(&mut self, reply: &Reply) {
        for set in reply.all("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// application/x-www-form-urlencoded.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let byte = |byte: u8| {
            if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        text.bytes().map(byte).collect()
    };
    fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}
