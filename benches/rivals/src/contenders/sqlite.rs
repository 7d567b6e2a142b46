//! SQLite through rusqlite: a table, an index of ends and the write-ahead log. Each reading thread has a connection.
//! All writing threads share one, since SQLite would let connections that wait for each other sleep.

use std::path::Path;
use std::sync::Mutex;
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

pub(crate) struct Sqlite {
    readers: Pool<Connection>,
    writer: Mutex<Connection>,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let path = directory.join("sessions.sqlite");
        let writer = connect(&path, class);
        writer.execute_batch(SCHEMA).unwrap();
        Self { readers: Pool::new(move || connect(&path, class)), writer: writer.into() }
    }
}

/// Sets SQLite up as its documentation advises for a web server. In WAL mode, `NORMAL` waits for the disk only at a
/// checkpoint, and `FULL` waits at every commit.
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
        let mut writer = self.writer.lock().unwrap();
        while sessions.peek().is_some() {
            let transaction = writer.transaction().unwrap();
            sessions.by_ref().take(super::BATCH).for_each(|session| save(&transaction, &session));
            transaction.commit().unwrap();
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let found: Option<Vec<u8>> = self.readers.with(|connection| {
            let mut statement = connection.prepare_cached(LOAD).unwrap();
            statement.query_row(params![layout::bytes(key), integer(now)], |row| row.get(0)).optional().unwrap()
        });
        Some(found.map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let end = layout::end_of_seen(now);
        let writer = self.writer.lock().unwrap();
        let mut statement = writer.prepare_cached(TOUCH).unwrap();
        Some(statement.execute(params![layout::bytes(key), integer(now), integer(end)]).unwrap() == 1)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        save(&self.writer.lock().unwrap(), session);
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let writer = self.writer.lock().unwrap();
        let mut statement = writer.prepare_cached(SWEEP).unwrap();
        Some(Some(statement.execute([integer(now)]).unwrap() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shall_survive_a_power_loss_waits_at_every_commit() {
        for (class, expected) in [(Class::Relaxed, 1), (Class::Durable, 2)] {
            let directory = tempfile::tempdir().unwrap();
            let connection = connect(&directory.path().join("sessions.sqlite"), class);
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            assert_eq!(pragma("synchronous").unwrap(), expected, "{class:?}");
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
    }
}
