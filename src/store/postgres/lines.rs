//! One statement on its way to the server, and what its failure means.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Socket};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::postgres::cause::Cause;
use crate::store::remote::failed::{Failed, Silent};
use crate::store::remote::link::{Dial, Link, jittered};
use crate::store::sql::meaning::Meaning;

/// A value, and the type that its place in the statement has. With types, a statement needs no preparing, so it is one
/// round trip, and any pooler can pass it on.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// The connections. Statements of many requests travel on each of them, one behind the other, without waiting for answers.
#[derive(Clone)]
pub(super) struct PostgresLines {
    link: Link<Server>,
    deadline: Duration,
}

pub(super) struct Server {
    pub(super) config: Config,
    /// What encrypts the connection, if the URL asks for that.
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
}

/// How often a statement that lost a deadlock is sent again.
const ATTEMPTS: u32 = 12;

/// How long a statement over all sessions may take.
const WHOLE_TABLE: Duration = Duration::from_secs(120);

impl PostgresLines {
    pub(super) async fn open(server: Server, lines: usize, deadline: Duration) -> Result<Self> {
        Ok(Self { link: Link::open(server, lines, deadline).await?, deadline })
    }

    /// By when an operation that begins at this moment has its answer.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Sends a statement, once for all that the caller can tell: only what the server undid is sent again.
    pub(super) async fn write(
        &self,
        doing: &'static str,
        statement: &str,
        values: &[Value<'_>],
        until: Instant,
    ) -> Result<Vec<Row>, Failed> {
        for attempt in 1.. {
            let line = self
                .link
                .line(until, |_| true)
                .await
                .map_err(|error| Error::new(error.kind().clone(), doing).because(error).not_done())?;
            let (meaning, failed) = match timeout_at(until, line.query_typed(statement, values)).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(cause)) => (meaning(&cause), meaning(&cause).into_failed(doing, Cause(cause))),
                Err(_) => (Meaning::Lost, Meaning::Lost.into_failed(doing, Silent(self.deadline))),
            };
            match meaning {
                Meaning::Undone if attempt < ATTEMPTS && Instant::now() < until => {
                    sleep(jittered(Duration::from_millis(4 * u64::from(attempt)))).await;
                }
                // A server that has become a replica is left; its successor is found by a new connection.
                Meaning::Lost | Meaning::Refused(ErrorKind::NotWritable) => {
                    self.link.renew(&line);
                    return Err(failed);
                }
                Meaning::Undone | Meaning::Refused(_) => return Err(failed),
            }
        }
        unreachable!("the attempts end with an answer")
    }

    /// Sends a statement that may be carried out twice; so it is sent again if its answer is lost and time is left.
    pub(super) async fn read(&self, doing: &'static str, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let until = self.until();
        for _ in 0..2 {
            match self.write(doing, statement, values, until).await {
                Err(failed) if failed.is_lost && Instant::now() < until => {}
                answer => return answer.map_err(Failed::into_error),
            }
        }
        self.write(doing, statement, values, until).await.map_err(Failed::into_error)
    }

    /// Sends a statement over all sessions, on a connection of its own: it would hold up whatever came behind it on another.
    pub(super) async fn read_alone(
        &self,
        doing: &'static str,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let client = self.dial(doing).await?;
        answer_of(doing, timeout_at(Instant::now() + WHOLE_TABLE, client.query_typed(statement, values)).await)
    }

    /// Sends several statements, on a connection of their own.
    pub(super) async fn run_alone(&self, doing: &'static str, statements: &str) -> Result<(), Failed> {
        let client = self.dial(doing).await?;
        answer_of(doing, timeout_at(Instant::now() + WHOLE_TABLE, client.batch_execute(statements)).await)
    }

    async fn dial(&self, doing: &'static str) -> Result<Client> {
        match timeout_at(self.until(), self.link.dial().dial()).await {
            Ok(client) => client,
            Err(elapsed) => Err(Error::new(ErrorKind::Unavailable, doing).because(elapsed).not_done()),
        }
    }
}

fn answer_of<T>(
    doing: &'static str,
    answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
) -> Result<T, Failed> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(cause)) => Err(meaning(&cause).into_failed(doing, Cause(cause))),
        Err(_) => Err(Meaning::Lost.into_failed(doing, Silent(WHOLE_TABLE))),
    }
}

fn meaning(error: &tokio_postgres::Error) -> Meaning {
    let Some(answer) = error.as_db_error() else { return Meaning::Lost };
    let code = answer.code();
    // A statement that fails is undone as a whole. Only a server that goes down may have done it before it said so.
    match code.code() {
        _ if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE => {
            Meaning::Undone
        }
        _ if *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN => Meaning::Lost,
        _ if *code == SqlState::LOCK_NOT_AVAILABLE => Meaning::Refused(ErrorKind::Timeout),
        _ if *code == SqlState::UNIQUE_VIOLATION => Meaning::Refused(ErrorKind::KeyTaken),
        _ if *code == SqlState::DISK_FULL => Meaning::Refused(ErrorKind::Full),
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Meaning::Refused(ErrorKind::NotWritable),
        // A function, a table, a schema, or the right to use them is missing.
        "42883" | "42P01" | "3F000" | "42501" => Meaning::Refused(ErrorKind::Config),
        _ => Meaning::Refused(ErrorKind::Unavailable),
    }
}

impl Dial for Server {
    type Line = Client;

    async fn dial(&self) -> Result<Client> {
        #[cfg(feature = "postgres-tls")]
        if let Some(tls) = &self.tls {
            return connect(&self.config, tls.clone()).await;
        }
        connect(&self.config, NoTls).await
    }

    fn is_broken(line: &Client) -> bool {
        line.is_closed()
    }
}

async fn connect<T>(config: &Config, tls: T) -> Result<Client>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: Send> + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let connecting =
        |cause| Error::new(ErrorKind::Unavailable, "connecting to PostgreSQL").because(Cause(cause)).not_done();
    let (client, connection) = config.connect(tls).await.map_err(connecting)?;
    // The task ends with the client, or with the connection. What it ended by, each statement on its way hears.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}
