//! SQLite through rusqlite: a table, an index of ends, the write-ahead log, and a connection for each thread.

use std::path::Path;
use std::time::Duration;

use cloakroom::{SessionKey, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::layout;
use super::pool::Pool;
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sessions (key BLOB PRIMARY KEY NOT NULL, ends INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS ends ON sessions (ends);";
const LOAD: &str = "SELECT record FROM sessions WHERE key = ?1 AND ends > ?2";
const TOUCH: &str = "UPDATE sessions SET ends = max(ends, ?3) WHERE key = ?1 AND ends > ?2";
const SAVE: &str = "INSERT INTO sessions (key, ends, record) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET ends = max(ends, excluded.ends), record = excluded.record";
const SWEEP: &str = "DELETE FROM sessions WHERE ends <= ?1";

pub(crate) struct Sqlite(Pool<Connection>);

impl Sqlite {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let path = directory.join("sessions.sqlite");
        connect(&path, class).execute_batch(SCHEMA).unwrap();
        Self(Pool::new(move || connect(&path, class)))
    }
}

/// As its documentation advises for a web server: in WAL mode, `NORMAL` never waits for the disk but at a checkpoint, and
/// `FULL` waits at every commit.
fn connect(path: &Path, class: Class) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    let synchronous = match class {
        Class::Relaxed => "NORMAL",
        Class::Durable => "FULL",
    };
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -65536;
             PRAGMA mmap_size = {}; PRAGMA temp_store = MEMORY;",
            super::CACHE_BYTES
        ))
        .unwrap();
    connection
}

fn integer(time: Timestamp) -> i64 {
    time.as_millis() as i64
}

fn save(connection: &Connection, session: &Session) {
    let values = params![layout::bytes(session.key()), integer(session.ends()), session.record.to_bytes()];
    connection.prepare_cached(SAVE).unwrap().execute(values).unwrap();
}

impl Contender for Sqlite {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        let mut sessions = sessions.peekable();
        self.0.with(|connection| {
            while sessions.peek().is_some() {
                let transaction = connection.transaction().unwrap();
                sessions.by_ref().take(super::BATCH).for_each(|session| save(&transaction, &session));
                transaction.commit().unwrap();
            }
        });
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let found: Option<Vec<u8>> = self.0.with(|connection| {
            let mut statement = connection.prepare_cached(LOAD).unwrap();
            statement.query_row(params![layout::bytes(key), integer(now)], |row| row.get(0)).optional().unwrap()
        });
        Some(found.map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let end = layout::end_of_seen(now);
        let changed = self.0.with(|connection| {
            let mut statement = connection.prepare_cached(TOUCH).unwrap();
            statement.execute(params![layout::bytes(key), integer(now), integer(end)]).unwrap()
        });
        Some(changed == 1)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        self.0.with(|connection| save(connection, session));
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let swept = self.0.with(|connection| {
            let mut statement = connection.prepare_cached(SWEEP).unwrap();
            statement.execute([integer(now)]).unwrap()
        });
        Some(Some(swept as u64))
    }
}
