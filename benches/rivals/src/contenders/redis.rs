//! A Redis server of its own, on a loopback port.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{SessionKey, Timestamp};
use redis::{Connection, RedisError};

use super::layout;
use super::pool::Pool;
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

const PROGRAM: &str = "redis-server";

/// The file that holds the server's port, for the processes that join.
const PORT: &str = "port";

/// How long a server may take to read its files.
const START: Duration = Duration::from_secs(600);

pub(crate) struct Redis {
    connections: Pool<Connection>,
    server: Option<Child>,
}

impl Redis {
    /// Whether there is a server to start.
    pub(crate) fn is_installed() -> bool {
        let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    }

    /// Starts a server on the files that an earlier one left in this directory.
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let sync = match class {
            Class::Relaxed => "no",
            Class::Durable => "always",
        };
        let server = Command::new(PROGRAM)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", sync, "--logfile", "redis.log"])
            .arg("--dir")
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        fs::write(directory.join(PORT), port.to_string()).unwrap();
        let this = Self { connections: connections(port), server: Some(server) };
        let begun = Instant::now();
        while let Err(error) = ping(port) {
            assert!(begun.elapsed() < START, "{PROGRAM} does not answer: {error}");
            thread::sleep(Duration::from_millis(1));
        }
        this
    }

    /// Connects to the server that another process started.
    pub(crate) fn join(directory: &Path) -> Self {
        let port = fs::read_to_string(directory.join(PORT)).unwrap().parse().unwrap();
        Self { connections: connections(port), server: None }
    }
}

fn connections(port: u16) -> Pool<Connection> {
    Pool::new(move || connect(port).unwrap())
}

fn connect(port: u16) -> Result<Connection, RedisError> {
    redis::Client::open(("127.0.0.1", port))?.get_connection()
}

/// Fails while the server reads its files.
fn ping(port: u16) -> Result<(), RedisError> {
    redis::cmd("PING").exec(&mut connect(port)?)
}

fn set(session: &Session) -> redis::Cmd {
    let mut set = redis::cmd("SET");
    set.arg(layout::bytes(session.key())).arg(session.record.to_bytes()).arg("PXAT").arg(session.ends().as_millis());
    set
}

impl Contender for Redis {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        let mut sessions = sessions.peekable();
        self.connections.with(|connection| {
            while sessions.peek().is_some() {
                let mut pipe = redis::pipe();
                sessions.by_ref().take(super::BATCH).for_each(|session| {
                    pipe.add_command(set(&session)).ignore();
                });
                pipe.exec(connection).unwrap();
            }
        });
    }

    fn load(&self, key: &SessionKey, _: Timestamp) -> Option<Option<Loaded>> {
        let found: Option<Vec<u8>> =
            self.connections.with(|c| redis::cmd("GET").arg(layout::bytes(key)).query(c)).unwrap();
        Some(found.map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let end = layout::end_of_seen(now).as_millis();
        Some(self.connections.with(|c| redis::cmd("PEXPIREAT").arg(layout::bytes(key)).arg(end).query(c)).unwrap())
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        self.connections.with(|connection| set(session).exec(connection)).unwrap();
        Some(())
    }

    // There is no `sweep`: Redis removes expired sessions in the background.

    fn server(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    fn close(mut self: Box<Self>) {
        if let Some(mut server) = self.server.take() {
            // The server answers by closing the connection, which is an error here.
            let _ = self.connections.with(|connection| redis::cmd("SHUTDOWN").exec(connection));
            server.wait().unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
