//! A session or a trace as a row: its columns, and how a row becomes what the store answers. In Redis a row is a hash.
//!
//! | column | what |
//! |---|---|
//! | `key` | 16 bytes: the session's key |
//! | `rev` | 8 bytes: the token of the last write |
//! | `was` | up to 32 bytes: the tokens of the four writes before it, the latest first |
//! | `seen` | when the session was last seen, in milliseconds since the Unix epoch, as all times here |
//! | `idle` | its idle timeout in milliseconds |
//! | `cap` | its absolute deadline |
//! | `ends` | the earlier of `seen + idle` and `cap`; of a trace, its end |
//! | `due` | when a sweep looks at the row: never after the row ends, unless a touch moved the end |
//! | `trace` | whether the row is a trace |
//! | `owner` | the owner's bytes, or null |
//! | `body` | the encoded [record](Record::to_bytes) or [trace](Trace::to_bytes) |
//!
//! Whatever a statement decides on is a column, and the body is opaque to the database. A touch changes `seen` and `ends`
//! alone, and no index has either: the sweep's is on `due`, which a sweep moves when it meets a session that was touched. No
//! timeout and no deadline is [`Timestamp::NEVER`], so sums stay far from the end of a 64-bit integer.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::Found;

/// What a read finds in a row.
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) rev: &'a [u8],
    pub(crate) seen: i64,
    pub(crate) ends: i64,
    pub(crate) trace: bool,
    pub(crate) body: &'a [u8],
}

impl Row<'_> {
    pub(crate) fn key(&self) -> Result<SessionKey> {
        let bytes = self.key.try_into().map_err(|_| damaged("a session's key is not 16 bytes"))?;
        Ok(SessionKey::from_bytes(bytes))
    }

    /// What stands here at this time. A session that is over is nothing, also if it cannot be read.
    pub(crate) fn found(&self, now: Timestamp) -> Result<Found> {
        let key = self.key()?;
        if self.ends <= millis(now) {
            return Ok(Found::Nothing);
        }
        if self.trace {
            return Trace::from_bytes(key, self.body).map(Found::Trace);
        }
        self.record().map(Found::Live)
    }

    pub(crate) fn record(&self) -> Result<Record> {
        let mut record = Record::from_bytes(self.key()?, revision(self.rev)?, self.body)?;
        record.touch(timestamp(self.seen));
        Ok(record)
    }
}

/// What a write puts into a row of a session, beside its key.
pub(crate) struct Written {
    pub(crate) rev: Vec<u8>,
    pub(crate) seen: i64,
    pub(crate) idle: i64,
    pub(crate) cap: i64,
    pub(crate) owner: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) revision: Revision,
}

impl Written {
    /// `expected` is the revision that the write replaces, if it replaces one. A record that proposes that token, or none,
    /// gets a new one: two writes of one token could not be told apart.
    pub(crate) fn of(record: &Record, body: Vec<u8>, expected: Option<Revision>) -> Self {
        let proposed = record.revision();
        let is_new = proposed.as_u64() != 0 && Some(proposed) != expected;
        let revision = if is_new { proposed } else { Revision::fresh() };
        let expiry = record.expiry();
        let idle = expiry.idle().map_or(Timestamp::NEVER, |idle| Timestamp::EPOCH.plus(idle));
        Self {
            rev: token(revision),
            seen: millis(expiry.last_seen()),
            idle: millis(idle),
            cap: millis(expiry.absolute().unwrap_or(Timestamp::NEVER)),
            owner: record.owner().map(|owner| owner.as_bytes().to_vec()),
            body,
            revision,
        }
    }
}

pub(crate) fn token(revision: Revision) -> Vec<u8> {
    revision.as_u64().to_be_bytes().to_vec()
}

pub(crate) fn revision(token: &[u8]) -> Result<Revision> {
    let bytes = token.try_into().map_err(|_| damaged("a session's revision is not 8 bytes"))?;
    Ok(Revision::from_u64(u64::from_be_bytes(bytes)))
}

/// A time is at most [`Timestamp::NEVER`], far below the end of the integer.
pub(crate) fn millis(time: Timestamp) -> i64 {
    time.as_millis() as i64
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn damaged(why: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "reading a session's row").because(why)
}
