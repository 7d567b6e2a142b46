//! The operations, each as one call of a procedure in the database.

use std::ops::ControlFlow;

use mysql_async::{Row as Answer, Value};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::mysql::store::MysqlStore;
use crate::store::remote::failed::Failed;
use crate::store::remote::row::{Row, Written, millis, token};
use crate::store::sql::answers::status;
use crate::store::sweeper::beside_creates;
use crate::store::{Acknowledged, Capabilities, Found, Store, Swept, Update};

/// So many rows one statement of a sweep looks at, so that it holds up no other for long.
const SWEPT_AT_ONCE: usize = 500;

impl MysqlStore {
    /// Whether the row under a key was written with this token, now or up to four writes ago.
    async fn has_token(&self, key: &SessionKey, token: &[u8]) -> Result<bool> {
        let rows = self.0.lines.read("looking for a write", &self.0.statements.token, &[bytes(key.as_bytes())]).await?;
        Ok(rows.first().is_some_and(|row| bytes_at(row, 0).is_ok_and(|all| all.chunks(8).any(|one| one == token))))
    }

    async fn replace(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        let body = self.0.settings.encode(record, self.0.largest_body)?;
        let row = Written::of(record, body, Some(expected));
        let (limit, refuse) = self.0.settings.limit();
        let mut values = vec![
            bytes(old.as_bytes()),
            token(expected).into(),
            false.into(),
            bytes(record.key().as_bytes()),
            row.rev.into(),
            row.seen.into(),
            row.idle.into(),
            row.cap.into(),
            row.owner.into(),
            row.body.into(),
            millis(now).into(),
            limit.into(),
            refuse.into(),
            trace.map(Trace::to_bytes).into(),
            trace.map(|trace| millis(trace.ends())).into(),
            millis(beside_creates::over_by(now, beside_creates::BEHIND)).into(),
        ];
        let (doing, until) = ("storing a session", self.0.lines.until());
        let mut answer = self.0.lines.write(doing, &self.0.statements.replace, &values, until).await;
        // Compare-and-swap with a token of its own may be sent again: it is done once, and recognised.
        if answer.as_ref().is_err_and(|failed| failed.is_lost) {
            values[2] = true.into();
            match self.0.lines.write(doing, &self.0.statements.replace, &values, until).await {
                Ok(rows) if int_of(&rows)? != i64::from(status::UNKNOWN) => answer = Ok(rows),
                _ => {}
            }
        }
        let rows = answer.map_err(Failed::into_error)?;
        match int_of(&rows)? as i32 {
            status::STORED => Ok(Update::Stored(row.revision)),
            status::CONFLICT => Ok(Update::Conflict(Box::new(row_at(&rows[0], 1)?.record()?))),
            status::GONE => Ok(Update::Gone),
            refused => Err(self.0.settings.refused(refused, record.key())),
        }
    }
}

impl Store for MysqlStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        let body = self.0.settings.encode(record, self.0.largest_body)?;
        let row = Written::of(record, body, None);
        let (limit, refuse) = self.0.settings.limit();
        let values = [
            bytes(record.key().as_bytes()),
            row.rev.clone().into(),
            row.seen.into(),
            row.idle.into(),
            row.cap.into(),
            row.owner.into(),
            row.body.into(),
            millis(now).into(),
            limit.into(),
            refuse.into(),
            packed(traces).into(),
            millis(beside_creates::over_by(now, beside_creates::BEHIND)).into(),
        ];
        let (doing, until) = ("storing a session", self.0.lines.until());
        match self.0.lines.write(doing, &self.0.statements.create, &values, until).await {
            Ok(rows) => match int_of(&rows)? as i32 {
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
        let rows = self.0.lines.read("loading a session", &self.0.statements.find, &[bytes(key.as_bytes())]).await?;
        rows.first().map_or(Ok(Found::Nothing), |row| row_at(row, 0)?.found(now))
    }

    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let values: Vec<Value> = keys.iter().map(|key| bytes(key.as_bytes())).collect();
        let statement = self.0.statements.find_all(keys.len());
        let rows = match self.0.lines.read("loading sessions", &statement, &values).await {
            Ok(rows) => rows,
            Err(error) => return keys.iter().map(|_| Err(error.repeated())).collect(),
        };
        let of = |key: &SessionKey| rows.iter().find(|row| bytes_at(row, 0).is_ok_and(|found| found == key.as_bytes()));
        keys.iter().map(|key| of(key).map_or(Ok(Found::Nothing), |row| row_at(row, 0)?.found(now))).collect()
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.replace(record.key(), expected, record, None, now).await
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        let values = [bytes(key.as_bytes()), millis(now).into()];
        Ok(int_of(&self.0.lines.read("touching a session", &self.0.statements.touch, &values).await?)? > 0)
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
        let ends = trace.map(|trace| millis(trace.ends()));
        let values = [bytes(key.as_bytes()), trace.map(Trace::to_bytes).into(), ends.into()];
        let (doing, until) = ("ending a session", self.0.lines.until());
        let answer = match self.0.lines.write(doing, &self.0.statements.destroy, &values, until).await {
            Err(failed) if failed.is_lost => {
                // Sent again, it ends the session for certain. Only whether the first one did so stays open.
                match self.0.lines.write(doing, &self.0.statements.destroy, &values, until).await {
                    Ok(rows) if int_of(&rows)? > 0 => Ok(rows),
                    _ => Err(failed),
                }
            }
            answer => answer,
        };
        Ok(int_of(&answer.map_err(Failed::into_error)?)? > 0)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        let values = [bytes(owner.as_bytes()), millis(now).into()];
        let rows = self.0.lines.read("listing an owner's sessions", &self.0.statements.owned_by, &values).await?;
        rows.iter().map(|row| row_at(row, 0)?.record()).collect()
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        let values = [bytes(owner.as_bytes()), except.map(|key| key.as_bytes().to_vec()).into()];
        let (doing, until) = ("ending an owner's sessions", self.0.lines.until());
        let rows = self.0.lines.write(doing, &self.0.statements.destroy_owned, &values, until).await;
        int_of(&rows.map_err(Failed::into_error)?).map(i64::unsigned_abs)
    }

    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        let (mut left, mut removed) = (budget, 0);
        loop {
            let looks = left.min(SWEPT_AT_ONCE);
            let values = [millis(now).into(), (looks as i64).into(), self.0.settings.most_traces().into()];
            let rows = self.0.lines.read("sweeping", &self.0.statements.sweep, &values).await?;
            removed += int_of(&rows)?.unsigned_abs();
            let more = rows.first().map_or(Ok(0), |row| int_at(row, 1))? > 0;
            left -= looks;
            if !more || left == 0 {
                return Ok(Swept { removed, more });
            }
        }
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        let (mut after, mut first_error) = (Vec::new(), None);
        loop {
            let values = [after.into(), millis(now).into()];
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
            after = bytes_at(last, 0)?.to_vec();
        }
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        let (values, until) = ([millis(now).into()], self.0.lines.until_whole());
        let rows = self.0.lines.read_until("counting sessions", &self.0.statements.count, &values, until).await?;
        int_of(&rows).map(i64::unsigned_abs)
    }

    async fn clear(&self) -> Result<()> {
        let doing = "ending all sessions";
        let last = int_of(&self.0.lines.read(doing, &self.0.statements.last, &[]).await?)?;
        // What is deleted by a number may be deleted twice. Sessions that begin from here on have higher ones.
        let until = self.0.lines.until_whole();
        while int_of(&self.0.lines.read_until(doing, &self.0.statements.clear, &[last.into()], until).await?)? > 0 {}
        Ok(())
    }

    fn durability(&self) -> Acknowledged {
        self.acknowledged()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.settings.capabilities()
    }
}

/// The traces of a login as the procedure reads them. They are sorted, so that logins that leave traces under the same keys
/// lock them in one order.
fn packed(traces: &[(SessionKey, Trace)]) -> Vec<u8> {
    let mut traces = traces.to_vec();
    traces.sort_by_key(|(key, _)| *key.as_bytes());
    let mut packed = Vec::with_capacity(99 * traces.len());
    for (key, trace) in &traces {
        let (start, trace_bytes) = (packed.len(), trace.to_bytes());
        packed.extend_from_slice(key.as_bytes());
        packed.extend_from_slice(&trace.ends().as_millis().to_be_bytes());
        packed.push(trace_bytes.len() as u8);
        packed.extend_from_slice(&trace_bytes);
        packed.resize(start + 99, 0);
    }
    packed
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

/// A row's columns, from this place on.
fn row_at(row: &Answer, at: usize) -> Result<Row<'_>> {
    Ok(Row {
        key: bytes_at(row, at)?,
        rev: bytes_at(row, at + 1)?,
        seen: int_at(row, at + 2)?,
        ends: int_at(row, at + 3)?,
        trace: int_at(row, at + 4)? != 0,
        body: bytes_at(row, at + 5)?,
    })
}

fn bytes_at(row: &Answer, at: usize) -> Result<&[u8]> {
    match row.as_ref(at) {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        _ => Err(malformed()),
    }
}

fn int_at(row: &Answer, at: usize) -> Result<i64> {
    match row.as_ref(at) {
        Some(Value::Int(number)) => Ok(*number),
        Some(Value::UInt(number)) => i64::try_from(*number).map_err(|_| malformed()),
        _ => Err(malformed()),
    }
}

/// The first number of the one row that a procedure answers with.
fn int_of(rows: &[Answer]) -> Result<i64> {
    rows.first().map_or_else(|| Err(malformed()), |row| int_at(row, 0))
}

fn malformed() -> Error {
    Error::new(ErrorKind::Unavailable, "reading an answer of MySQL").because("it is not what this version asks for")
}
