//! The operations, each as one call of a function in the database.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tokio_postgres::Row as Answer;
use tokio_postgres::types::{FromSql, Type};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::postgres::cause::Cause;
use crate::store::postgres::lines::Value;
use crate::store::postgres::store::PostgresStore;
use crate::store::remote::failed::Failed;
use crate::store::remote::row::{Row, Written, millis, token};
use crate::store::sql::answers::status;
use crate::store::sweeper::beside_creates;
use crate::store::{Acknowledged, Capabilities, Found, Store, Swept, Update};

/// As much as a `bytea` and a message take, with room to spare.
const LARGEST_BODY: usize = 256 << 20;

/// So many rows one statement of a sweep looks at, so that it holds up no other for long.
const SWEPT_AT_ONCE: usize = 500;

impl PostgresStore {
    /// Whether the row under a key was written with this token, now or up to four writes ago.
    async fn has_token(&self, key: &SessionKey, token: &[u8]) -> Result<bool> {
        let key = &key.as_bytes()[..];
        let rows = self.0.lines.read("looking for a write", &self.0.statements.token, &[(&key, Type::BYTEA)]).await?;
        Ok(rows.first().is_some_and(|row| row.get::<_, &[u8]>(0).chunks(8).any(|written| written == token)))
    }

    async fn replace(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        let body = self.0.settings.encode(record, LARGEST_BODY)?;
        let row = Written::of(record, body, Some(expected));
        let (limit, refuse) = self.0.settings.limit();
        let (key, old, expected) = (&record.key().as_bytes()[..], &old.as_bytes()[..], token(expected));
        let (trace_bytes, trace_ends) = (trace.map(Trace::to_bytes), trace.map(|trace| millis(trace.ends())));
        let over = millis(beside_creates::over_by(now, beside_creates::BEHIND));
        let now = millis(now);
        let values = |again: &'static bool| -> [Value<'_>; 16] {
            [
                (&old, Type::BYTEA),
                (&expected, Type::BYTEA),
                (again, Type::BOOL),
                (&key, Type::BYTEA),
                (&row.rev, Type::BYTEA),
                (&row.seen, Type::INT8),
                (&row.idle, Type::INT8),
                (&row.cap, Type::INT8),
                (&row.owner, Type::BYTEA),
                (&row.body, Type::BYTEA),
                (&now, Type::INT8),
                (&limit, Type::INT4),
                (&refuse, Type::BOOL),
                (&trace_bytes, Type::BYTEA),
                (&trace_ends, Type::INT8),
                (&over, Type::INT8),
            ]
        };
        let doing = "storing a session";
        let until = self.0.lines.until();
        let mut answer = self.0.lines.write(doing, &self.0.statements.replace, &values(&false), until).await;
        // Compare-and-swap with a token of its own may be sent again: it is done once, and recognised.
        if answer.as_ref().is_err_and(|failed| failed.is_lost) {
            match self.0.lines.write(doing, &self.0.statements.replace, &values(&true), until).await {
                Ok(rows) if status_of(&rows)? != status::UNKNOWN => answer = Ok(rows),
                _ => {}
            }
        }
        let rows = answer.map_err(Failed::into_error)?;
        match status_of(&rows)? {
            status::STORED => Ok(Update::Stored(row.revision)),
            status::CONFLICT => Ok(Update::Conflict(Box::new(row_at(&rows[0], 1)?.record()?))),
            status::GONE => Ok(Update::Gone),
            refused => Err(self.0.settings.refused(refused, record.key())),
        }
    }
}

impl Store for PostgresStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        let body = self.0.settings.encode(record, LARGEST_BODY)?;
        let row = Written::of(record, body, None);
        let (limit, refuse) = self.0.settings.limit();
        // Logins that leave traces under the same keys lock them in one order.
        let mut traces = traces.to_vec();
        traces.sort_by_key(|(key, _)| *key.as_bytes());
        let keys: Vec<&[u8]> = traces.iter().map(|(key, _)| &key.as_bytes()[..]).collect();
        let bytes: Vec<Vec<u8>> = traces.iter().map(|(_, trace)| trace.to_bytes()).collect();
        let ends: Vec<i64> = traces.iter().map(|(_, trace)| millis(trace.ends())).collect();
        let over = millis(beside_creates::over_by(now, beside_creates::BEHIND));
        let now = millis(now);
        let key = &record.key().as_bytes()[..];
        let values: [Value<'_>; 14] = [
            (&key, Type::BYTEA),
            (&row.rev, Type::BYTEA),
            (&row.seen, Type::INT8),
            (&row.idle, Type::INT8),
            (&row.cap, Type::INT8),
            (&row.owner, Type::BYTEA),
            (&row.body, Type::BYTEA),
            (&now, Type::INT8),
            (&limit, Type::INT4),
            (&refuse, Type::BOOL),
            (&keys, Type::BYTEA_ARRAY),
            (&bytes, Type::BYTEA_ARRAY),
            (&ends, Type::INT8_ARRAY),
            (&over, Type::INT8),
        ];
        let until = self.0.lines.until();
        match self.0.lines.write("storing a session", &self.0.statements.create, &values, until).await {
            Ok(rows) => match status_of(&rows)? {
                status::STORED => Ok(row.revision),
                refused => Err(self.0.settings.refused(refused, record.key())),
            },
            // It is not sent again: what has ended the session meanwhile would be undone.
            Err(failed) if failed.is_lost && self.has_token(record.key(), &row.rev).await.unwrap_or(false) => {
                Ok(row.revision)
            }
            Err(failed) => Err(failed.into_error()),
        }
    }

    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let key = &key.as_bytes()[..];
        let rows = self.0.lines.read("loading a session", &self.0.statements.find, &[(&key, Type::BYTEA)]).await?;
        rows.first().map_or(Ok(Found::Nothing), |row| row_at(row, 0)?.found(now))
    }

    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        let bytes: Vec<&[u8]> = keys.iter().map(|key| &key.as_bytes()[..]).collect();
        let values: [Value<'_>; 1] = [(&bytes, Type::BYTEA_ARRAY)];
        let rows = match self.0.lines.read("loading sessions", &self.0.statements.find_all, &values).await {
            Ok(rows) => rows,
            Err(error) => return keys.iter().map(|_| Err(error.repeated())).collect(),
        };
        let by_key: HashMap<&[u8], &Answer> =
            rows.iter().filter_map(|row| Some((row.try_get::<_, &[u8]>(0).ok()?, row))).collect();
        let found = |key: &&[u8]| by_key.get(key).map_or(Ok(Found::Nothing), |row| row_at(row, 0)?.found(now));
        bytes.iter().map(found).collect()
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.replace(record.key(), expected, record, None, now).await
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        let (key, now) = (&key.as_bytes()[..], millis(now));
        let values: [Value<'_>; 2] = [(&key, Type::BYTEA), (&now, Type::INT8)];
        single(&self.0.lines.read("touching a session", &self.0.statements.touch, &values).await?)
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        if old == record.key() {
            return Err(self.0.settings.refused(status::TAKEN, old));
        }
        self.replace(old, expected, record, trace, now).await
    }

    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        let key = &key.as_bytes()[..];
        let (trace, ends) = (trace.map(Trace::to_bytes), trace.map(|trace| millis(trace.ends())));
        let values: [Value<'_>; 3] = [(&key, Type::BYTEA), (&trace, Type::BYTEA), (&ends, Type::INT8)];
        let (doing, until) = ("ending a session", self.0.lines.until());
        let answer = match self.0.lines.write(doing, &self.0.statements.destroy, &values, until).await {
            Err(failed) if failed.is_lost => {
                // Sent again, it ends the session for certain. Only whether the first one did so stays open.
                match self.0.lines.write(doing, &self.0.statements.destroy, &values, until).await {
                    Ok(rows) if single(&rows)? => Ok(rows),
                    _ => Err(failed),
                }
            }
            answer => answer,
        };
        single(&answer.map_err(Failed::into_error)?)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        let (owner, now) = (owner.as_bytes(), millis(now));
        let values: [Value<'_>; 2] = [(&owner, Type::BYTEA), (&now, Type::INT8)];
        let rows = self.0.lines.read("listing an owner's sessions", &self.0.statements.owned_by, &values).await?;
        rows.iter().map(|row| row_at(row, 0)?.record()).collect()
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        let (owner, except) = (owner.as_bytes(), except.map(|key| &key.as_bytes()[..]));
        let values: [Value<'_>; 2] = [(&owner, Type::BYTEA), (&except, Type::BYTEA)];
        let (doing, until) = ("ending an owner's sessions", self.0.lines.until());
        let rows = self.0.lines.write(doing, &self.0.statements.destroy_owned, &values, until).await;
        single::<i64>(&rows.map_err(Failed::into_error)?).map(i64::unsigned_abs)
    }

    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        let (now, mut left, mut removed) = (millis(now), budget, 0);
        let traces = self.0.settings.most_traces();
        loop {
            let looks = left.min(SWEPT_AT_ONCE) as i32;
            let values: [Value<'_>; 3] = [(&now, Type::INT8), (&looks, Type::INT4), (&traces, Type::INT8)];
            let rows = self.0.lines.read("sweeping", &self.0.statements.sweep, &values).await?;
            let more: bool = rows.first().map_or(Ok(false), |row| row.try_get(1)).map_err(unreadable)?;
            removed += single::<i64>(&rows)?.unsigned_abs();
            left -= looks as usize;
            if !more || left == 0 {
                return Ok(Swept { removed, more });
            }
        }
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        let (mut after, mut first_error) = (Vec::new(), None);
        loop {
            let now = millis(now);
            let values: [Value<'_>; 2] = [(&after, Type::BYTEA), (&now, Type::INT8)];
            let rows = self.0.lines.read("scanning sessions", &self.0.statements.scan, &values).await?;
            let Some(last) = rows.last() else { return first_error.map_or(Ok(()), Err) };
            for row in &rows {
                match row_at(row, 0).and_then(|row| row.record()) {
                    Ok(record) => {
                        if visit(record).is_break() {
                            return Ok(());
                        }
                    }
                    // What cannot be read hides no other session.
                    Err(error) => _ = first_error.get_or_insert(error),
                }
            }
            after = last.try_get::<_, Vec<u8>>(0).map_err(unreadable)?;
        }
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        let now = millis(now);
        let values: [Value<'_>; 1] = [(&now, Type::INT8)];
        let rows = self.0.lines.read_alone("counting sessions", &self.0.statements.count, &values).await;
        single::<i64>(&rows.map_err(Failed::into_error)?).map(i64::unsigned_abs)
    }

    async fn clear(&self) -> Result<()> {
        self.0
            .lines
            .read_alone("ending all sessions", &self.0.statements.clear, &[])
            .await
            .map_err(Failed::into_error)?;
        Ok(())
    }

    fn durability(&self) -> Acknowledged {
        self.0.acknowledged
    }

    fn capabilities(&self) -> Capabilities {
        self.0.settings.capabilities()
    }
}

/// A row's columns, from this place on.
fn row_at(row: &Answer, at: usize) -> Result<Row<'_>> {
    Ok(Row {
        key: row.try_get(at).map_err(unreadable)?,
        rev: row.try_get(at + 1).map_err(unreadable)?,
        seen: row.try_get(at + 2).map_err(unreadable)?,
        ends: row.try_get(at + 3).map_err(unreadable)?,
        trace: row.try_get(at + 4).map_err(unreadable)?,
        body: row.try_get(at + 5).map_err(unreadable)?,
    })
}

fn status_of(rows: &[Answer]) -> Result<i32> {
    single(rows)
}

/// The first value of the one row that a function answers with.
fn single<'a, T: FromSql<'a>>(rows: &'a [Answer]) -> Result<T> {
    let row = rows.first().ok_or_else(|| malformed("reading an answer of PostgreSQL"))?;
    row.try_get(0).map_err(unreadable)
}

fn malformed(doing: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, doing).because("it is not what this version asks for")
}

fn unreadable(cause: tokio_postgres::Error) -> Error {
    malformed("reading an answer of PostgreSQL").because(Cause(cause))
}
