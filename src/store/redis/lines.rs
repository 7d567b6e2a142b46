//! One command on its way to the server, and what its failure means.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, Value};
#[cfg(feature = "redis-tls")]
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::redis::scripts::Code;
use crate::store::remote::failed::{Failed, Silent};
use crate::store::remote::link::{Dial, Link};

/// The connections. Commands of many requests travel on each of them, one behind the other, without waiting for answers.
#[derive(Clone)]
pub(super) struct RedisLines {
    link: Link<Server>,
    deadline: Duration,
}

pub(super) struct Server {
    pub(super) url: ConnectionInfo,
    /// What encrypts the connection, if the URL asks for that.
    #[cfg(feature = "redis-tls")]
    pub(super) tls: Option<tokio_rustls::TlsConnector>,
}

pub(super) const CONNECTING: &str = "connecting to Redis";

pub(super) struct Line {
    connection: MultiplexedConnection,
    /// Set when the connection has ended.
    is_broken: Arc<AtomicBool>,
}

/// What a script is called with.
pub(super) struct Call {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) arguments: Vec<Vec<u8>>,
}

impl RedisLines {
    pub(super) async fn open(server: Server, lines: usize, deadline: Duration) -> Result<Self> {
        Ok(Self { link: Link::open(server, lines, deadline).await?, deadline })
    }

    /// By when an operation that begins at this moment has its answer.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Calls a script by its digest. A server that does not know it, as after a restart, gets its text: nothing was done before.
    pub(super) async fn call(
        &self,
        doing: &'static str,
        code: &Code,
        call: &Call,
        until: Instant,
    ) -> Result<Value, Failed> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
            command
        };
        match self.send(doing, &Sent::Command(command("EVALSHA", &code.digest)), until).await {
            Err(Refused::NoScript) => {}
            answer => return answer.map_err(|refused| refused.failed(doing)),
        }
        let answer = self.send(doing, &Sent::Command(command("EVAL", &code.text)), until).await;
        answer.map_err(|refused| refused.failed(doing))
    }

    /// Calls a script that may be carried out twice; so it is called again if its answer is lost and time is left.
    pub(super) async fn call_again(
        &self,
        doing: &'static str,
        code: &Code,
        call: &Call,
        until: Instant,
    ) -> Result<Value> {
        let mut answer = self.call(doing, code, call, until).await;
        if answer.as_ref().is_err_and(|failed| failed.is_lost) && Instant::now() < until {
            answer = self.call(doing, code, call, until).await;
        }
        answer.map_err(Failed::into_error)
    }

    /// Sends commands that read, in one round trip, and once more if their answers are lost and time is left.
    pub(super) async fn read(&self, doing: &'static str, commands: Pipeline, until: Instant) -> Result<Vec<Value>> {
        let commands = Sent::Commands(commands);
        let mut answer = self.send(doing, &commands, until).await;
        if matches!(&answer, Err(Refused::Failed(failed)) if failed.is_lost) && Instant::now() < until {
            answer = self.send(doing, &commands, until).await;
        }
        match answer.map_err(|refused| refused.failed(doing).into_error())? {
            Value::Array(answers) => Ok(answers),
            _ => Err(malformed(doing)),
        }
    }

    /// Sends one command, that the user may have no right to; nothing then.
    pub(super) async fn ask(&self, doing: &'static str, command: Cmd) -> Result<Option<Value>> {
        match self.send(doing, &Sent::Command(command), self.until()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Refused::NoRight(_)) => Ok(None),
            Err(refused) => Err(refused.failed(doing).into_error()),
        }
    }

    async fn send(&self, doing: &'static str, sent: &Sent, until: Instant) -> Result<Value, Refused> {
        let line = self.link.line(until, |_| true).await.map_err(|error| {
            let error = Error::new(error.kind().clone(), doing).because(error).not_done();
            Refused::Failed(error.into())
        })?;
        let mut connection = line.connection.clone();
        let answer = async {
            match sent {
                Sent::Command(command) => command.query_async(&mut connection).await,
                Sent::Commands(commands) => commands.query_async(&mut connection).await,
            }
        };
        let refused = match timeout_at(until, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) if cause.code() == Some("NOSCRIPT") => return Err(Refused::NoScript),
            Ok(Err(cause)) if cause.code() == Some("NOPERM") => return Err(Refused::NoRight(failed(doing, cause))),
            Ok(Err(cause)) => {
                if needs_another_line(&cause) {
                    self.link.renew(&line);
                }
                failed(doing, cause)
            }
            Err(_) => {
                self.link.renew(&line);
                Failed::lost(doing, Silent(self.deadline))
            }
        };
        Err(Refused::Failed(refused))
    }
}

enum Sent {
    Command(Cmd),
    Commands(Pipeline),
}

enum Refused {
    NoScript,
    NoRight(Failed),
    Failed(Failed),
}

impl Refused {
    fn failed(self, doing: &'static str) -> Failed {
        match self {
            Self::NoScript => malformed(doing).into(),
            Self::NoRight(failed) | Self::Failed(failed) => failed,
        }
    }
}

/// Whether another connection may be answered otherwise: this one is broken, or leads to a server that has become a replica or
/// is not ready.
fn needs_another_line(cause: &RedisError) -> bool {
    cause.is_unrecoverable_error()
        || matches!(cause.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "ASK"))
}

/// What an error of the client says of the command.
fn failed(doing: &'static str, cause: RedisError) -> Failed {
    let kind = match cause.code() {
        None => return Failed::lost(doing, cause),
        // Memory is full. A script is refused at its first write, if that takes any.
        Some("OOM") => ErrorKind::Full,
        Some("READONLY") => ErrorKind::NotWritable,
        Some("NOAUTH" | "NOPERM" | "WRONGPASS") => ErrorKind::Config,
        Some(
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "BUSY" | "MISCONF" | "NOREPLICAS",
        ) => ErrorKind::Unavailable,
        // A script that fails on its way keeps what it has written.
        Some(_) => return Error::new(ErrorKind::Unavailable, doing).because(cause).into(),
    };
    Error::new(kind, doing).because(cause).not_done().into()
}

pub(super) fn malformed(doing: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, doing).because("the answer is not what this version asks for")
}

impl Dial for Server {
    type Line = Line;

    async fn dial(&self) -> Result<Line> {
        let unreachable = |cause: io::Error| Error::new(ErrorKind::Unavailable, CONNECTING).because(cause).not_done();
        let ConnectionAddr::Tcp(host, port) = self.url.addr() else {
            return Err(Error::new(ErrorKind::Config, CONNECTING).because("it asks for more than TCP").not_done());
        };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        #[cfg(feature = "redis-tls")]
        if let Some(tls) = &self.tls {
            let name = ServerName::try_from(host.clone())
                .map_err(|cause| Error::new(ErrorKind::Config, CONNECTING).because(cause).not_done())?;
            return self.greet(tls.connect(name, stream).await.map_err(unreachable)?).await;
        }
        self.greet(stream).await
    }

    fn is_broken(line: &Line) -> bool {
        line.is_broken.load(Ordering::Relaxed)
    }
}

impl Server {
    async fn greet(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Line> {
        // The store has a deadline of its own, which covers both.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let greeted = MultiplexedConnection::new_with_config(self.url.redis_settings(), stream, config).await;
        let (connection, driver) = greeted.map_err(|cause| {
            let is_config = cause.kind() == redis::ErrorKind::AuthenticationFailed;
            let kind = if is_config { ErrorKind::Config } else { ErrorKind::Unavailable };
            Error::new(kind, CONNECTING).because(cause).not_done()
        })?;
        let is_broken = Arc::new(AtomicBool::new(false));
        let ended = is_broken.clone();
        // The task ends with the connection, or when the last line to it is gone.
        tokio::spawn(async move {
            driver.await;
            ended.store(true, Ordering::Relaxed);
        });
        Ok(Line { connection, is_broken })
    }
}
