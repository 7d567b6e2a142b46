//! One statement on its way to the server, and what its failure means.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, Row, Value};
use tokio::time::{Instant, sleep, timeout_at};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::remote::failed::{Failed, Silent};
use crate::store::remote::link::{Dial, Link, jittered};
use crate::store::sql::meaning::Meaning;

/// The connections. A statement has one to itself, from the driver's pool, which sees without a round trip whether the server
/// has closed it. The link decides whether the server can be reached at all.
#[derive(Clone)]
pub(super) struct MysqlLines {
    pool: Pool,
    link: Link<Server>,
    deadline: Duration,
}

struct Server(Pool);

/// How often a statement that lost a deadlock is sent again.
const ATTEMPTS: u32 = 50;

/// How long a statement over all sessions may take.
const WHOLE_TABLE: Duration = Duration::from_secs(120);

impl MysqlLines {
    pub(super) async fn open(opts: Opts, connections: usize, deadline: Duration) -> Result<Self> {
        // A statement waits for a row for a second at most. The driver sends these once a connection.
        let setup = vec![
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, \
             innodb_lock_wait_timeout = 1",
        ];
        let constraints = PoolConstraints::new(1, connections.max(1)).unwrap_or_default();
        // A reset would cost a round trip for each statement, and the statements that the connection has prepared.
        let pool_opts = PoolOpts::new()
            .with_constraints(constraints)
            .with_reset_connection(false)
            .with_inactive_connection_ttl(Duration::from_secs(60));
        let opts = OptsBuilder::from_opts(opts)
            .pool_opts(pool_opts)
            .setup(setup)
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(30)));
        let pool = Pool::new(opts);
        Ok(Self { link: Link::open(Server(pool.clone()), 1, deadline).await?, pool, deadline })
    }

    /// By when an operation that begins at this moment has its answer.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// By when a statement over all sessions has its answer.
    pub(super) fn until_whole(&self) -> Instant {
        Instant::now() + WHOLE_TABLE.max(self.deadline)
    }

    /// Sends a statement, once for all that the caller can tell: only what the server undid is sent again.
    pub(super) async fn write(
        &self,
        doing: &'static str,
        statement: &Arc<str>,
        values: &[Value],
        until: Instant,
    ) -> Result<Vec<Row>, Failed> {
        for attempt in 1.. {
            let unreachable = |cause: Error| Error::new(cause.kind().clone(), doing).because(cause).not_done();
            let reached = self.link.line(until, |()| true).await.map_err(unreachable)?;
            // A task, so that a caller who drops the future leaves no connection in the middle of an answer.
            let task = tokio::spawn(exchange(self.pool.clone(), statement.clone(), values.to_vec(), until));
            let outcome = task.await.unwrap_or(Outcome::Silence);
            let cause = match outcome {
                Outcome::Answer(rows) => return Ok(rows),
                Outcome::Unreachable(cause) => {
                    self.link.renew(&reached);
                    return Err(Error::new(ErrorKind::Unavailable, doing).because(cause).not_done().into());
                }
                Outcome::Busy => {
                    let error = Error::new(ErrorKind::Timeout, doing).because("all connections were in use");
                    return Err(error.not_done().into());
                }
                Outcome::Silence => {
                    self.link.renew(&reached);
                    return Err(Meaning::Lost.into_failed(doing, Silent(self.deadline)));
                }
                Outcome::Error(cause) => cause,
            };
            if meaning(&cause) != Meaning::Undone || attempt == ATTEMPTS || Instant::now() >= until {
                return Err(meaning(&cause).into_failed(doing, cause));
            }
            sleep(jittered(Duration::from_millis(2 * u64::from(attempt)))).await;
        }
        unreachable!("the attempts end with an answer")
    }

    /// Sends a statement that may be carried out twice; so it is sent again if its answer is lost and time is left.
    pub(super) async fn read(&self, doing: &'static str, statement: &Arc<str>, values: &[Value]) -> Result<Vec<Row>> {
        self.read_until(doing, statement, values, self.until()).await
    }

    pub(super) async fn read_until(
        &self,
        doing: &'static str,
        statement: &Arc<str>,
        values: &[Value],
        until: Instant,
    ) -> Result<Vec<Row>> {
        for _ in 0..2 {
            match self.write(doing, statement, values, until).await {
                Err(failed) if failed.is_lost && Instant::now() < until => {}
                answer => return answer.map_err(Failed::into_error),
            }
        }
        self.write(doing, statement, values, until).await.map_err(Failed::into_error)
    }

    /// Runs statements one after the other, on one connection, while no other connection does so under this name.
    pub(super) async fn run_locked(&self, doing: &'static str, name: &str, statements: &[String]) -> Result<()> {
        let failed = |cause: mysql_async::Error| meaning(&cause).into_failed(doing, cause).into_error();
        let work = async {
            let mut conn = self.pool.get_conn().await.map_err(failed)?;
            let locked: Option<i64> = conn.exec_first("SELECT GET_LOCK(?, 60)", (name,)).await.map_err(failed)?;
            if locked != Some(1) {
                return Err(Error::new(ErrorKind::Timeout, doing).because("another node has been at it for a minute"));
            }
            let mut done = Ok(());
            for statement in statements {
                if done.is_ok() {
                    done = conn.query_drop(statement.as_str()).await.map_err(failed);
                }
            }
            let released = conn.exec_drop("SELECT RELEASE_LOCK(?)", (name,)).await.map_err(failed);
            done.and(released)
        };
        match timeout_at(self.until_whole(), work).await {
            Ok(done) => done,
            Err(elapsed) => Err(Error::new(ErrorKind::Unavailable, doing).because(elapsed)),
        }
    }
}

enum Outcome {
    Answer(Vec<Row>),
    Error(mysql_async::Error),
    /// No connection could be made. Nothing was sent.
    Unreachable(mysql_async::Error),
    /// No connection was free in time. Nothing was sent.
    Busy,
    /// The server did not answer in time.
    Silence,
}

async fn exchange(pool: Pool, statement: Arc<str>, values: Vec<Value>, until: Instant) -> Outcome {
    let mut conn = match timeout_at(until, pool.get_conn()).await {
        Ok(Ok(conn)) => conn,
        Ok(Err(cause)) => return Outcome::Unreachable(cause),
        Err(_) => return Outcome::Busy,
    };
    let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
    match timeout_at(until, conn.exec::<Row, _, _>(&*statement, params)).await {
        Ok(Ok(rows)) => Outcome::Answer(rows),
        Ok(Err(cause)) => {
            // A server that has become a replica is left, too; its successor is found by a new connection.
            if matches!(meaning(&cause), Meaning::Lost | Meaning::Refused(ErrorKind::NotWritable)) {
                hang_up(conn);
            }
            Outcome::Error(cause)
        }
        Err(_) => {
            hang_up(conn);
            Outcome::Silence
        }
    }
}

/// Closes a connection that may be in the middle of an answer, without waiting for it.
fn hang_up(conn: Conn) {
    tokio::spawn(async move {
        let patience = Instant::now() + Duration::from_secs(1);
        drop(timeout_at(patience, conn.disconnect()).await);
    });
}

fn meaning(error: &mysql_async::Error) -> Meaning {
    let mysql_async::Error::Server(answer) = error else { return Meaning::Lost };
    match answer.code {
        // A deadlock, a row that another held for too long, a snapshot that is too old, a unique key that came first.
        1213 | 1205 | 1020 | 1062 => Meaning::Undone,
        // The server goes down, or has ended the connection.
        1053 | 1077 | 1079 | 1927 | 3169 => Meaning::Lost,
        1114 | 1021 => Meaning::Refused(ErrorKind::Full),
        1290 | 1792 | 1836 => Meaning::Refused(ErrorKind::NotWritable),
        // A table, a procedure, or the right to use them is missing.
        1146 | 1305 | 1142 | 1370 | 1044 | 1049 => Meaning::Refused(ErrorKind::Config),
        _ => Meaning::Refused(ErrorKind::Unavailable),
    }
}

impl Dial for Server {
    /// The pool has the connections.
    type Line = ();

    async fn dial(&self) -> Result<()> {
        let connecting = |cause| Error::new(ErrorKind::Unavailable, "connecting to MySQL").because(cause).not_done();
        let mut conn = self.0.get_conn().await.map_err(connecting)?;
        match timeout_at(Instant::now() + Duration::from_secs(2), conn.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(connecting(cause)),
            Err(elapsed) => {
                hang_up(conn);
                Err(Error::new(ErrorKind::Unavailable, "connecting to MySQL").because(elapsed).not_done())
            }
        }
    }

    fn is_broken((): &()) -> bool {
        false
    }
}
