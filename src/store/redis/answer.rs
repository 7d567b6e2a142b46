//! What the server answers, as what the store makes of it.

use redis::Value;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::store::Found;
use crate::store::redis::lines::malformed;
use crate::store::remote::row::{Row, millis};

const READING: &str = "reading an answer of Redis";

/// What `create` and `replace` answer.
pub(super) enum Answer {
    /// Traces that were beyond the bound are to be removed.
    Stored {
        dropped: Vec<Vec<u8>>,
    },
    Taken,
    Gone,
    Limit,
    Conflict(Current),
    /// The owner's sessions have to be named.
    Look,
    /// These bytes of a trace stand where the one in this place is to be left.
    Join {
        at: usize,
        bytes: Vec<u8>,
    },
}

/// The session that stands where another revision was expected.
pub(super) struct Current {
    rev: Vec<u8>,
    was: Vec<u8>,
    seen: i64,
    body: Vec<u8>,
}

impl Current {
    pub(super) fn record(&self, key: SessionKey) -> Result<Record> {
        let ends = millis(Timestamp::NEVER);
        let Self { rev, seen, body, .. } = self;
        Row { key: key.as_bytes(), rev, seen: *seen, ends, trace: false, body }.record()
    }

    /// Whether a token was the session's last, or one of the four before it.
    pub(super) fn has_had(&self, token: &[u8]) -> bool {
        self.rev.chunks(8).chain(self.was.chunks(8)).any(|written| written == token)
    }
}

impl Answer {
    pub(super) fn of(answer: Value) -> Result<Self> {
        let Value::Array(answers) = answer else { return Err(malformed(READING)) };
        let mut answers = answers.into_iter();
        let word = bytes(answers.next())?;
        Ok(match word.as_slice() {
            b"stored" => Self::Stored { dropped: names(answers)? },
            b"taken" => Self::Taken,
            b"gone" => Self::Gone,
            b"limit" => Self::Limit,
            b"look" => Self::Look,
            b"conflict" => {
                let (rev, was) = (bytes(answers.next())?, bytes(answers.next())?);
                let (seen, body) = (integer(&bytes(answers.next())?)?, bytes(answers.next())?);
                Self::Conflict(Current { rev, was, seen, body })
            }
            b"join" => match answers.next() {
                Some(Value::Int(at)) if at > 0 => Self::Join { at: at as usize - 1, bytes: bytes(answers.next())? },
                _ => return Err(malformed(READING)),
            },
            _ => return Err(malformed(READING)),
        })
    }
}

/// Whether a session was ended, and which traces were beyond the bound.
pub(super) fn ended(answer: Value) -> Result<(bool, Vec<Vec<u8>>)> {
    let Value::Array(answers) = answer else { return Err(malformed(READING)) };
    let mut answers = answers.into_iter();
    let was_there = answers.next() == Some(Value::Int(1));
    Ok((was_there, names(answers)?))
}

/// What a touch answers.
pub(super) enum Touched {
    Gone,
    Done,
    /// The owner's index has to be named.
    Owned(Owner),
}

impl Touched {
    pub(super) fn of(answer: Value) -> Result<Self> {
        let Value::Array(answers) = answer else { return Err(malformed(READING)) };
        let mut answers = answers.into_iter();
        match answers.next() {
            Some(Value::Int(0)) => Ok(Self::Gone),
            Some(Value::Int(1)) => Ok(Self::Done),
            Some(Value::Int(2)) => Ok(Self::Owned(Owner::from(bytes(answers.next())?))),
            _ => Err(malformed(READING)),
        }
    }
}

/// The fields that say what stands under a key, before its body.
pub(super) const FIELDS: [&str; 9] = ["rev", "was", "seen", "idle", "cap", "owner", "trace", "ends", "epoch"];

/// What stands under a key.
#[derive(Default)]
pub(super) struct Standing {
    rev: Vec<u8>,
    was: Vec<u8>,
    seen: i64,
    ends: i64,
    owner: Option<Vec<u8>>,
    trace: Option<Vec<u8>>,
    body: Vec<u8>,
    is_there: bool,
}

/// The answers to a `GET` of the epoch and a `HMGET` for each key.
pub(super) fn standings(answers: Vec<Value>) -> Result<Vec<Standing>> {
    let mut answers = answers.into_iter();
    let epoch = optional(answers.next())?.unwrap_or_default();
    answers.map(|fields| Standing::of(fields, &epoch)).collect()
}

impl Standing {
    fn of(fields: Value, epoch: &[u8]) -> Result<Self> {
        let Value::Array(fields) = fields else { return Err(malformed(READING)) };
        let mut fields = fields.into_iter();
        let mut next = || optional(fields.next());
        let (rev, was, seen, idle, cap) = (next()?, next()?, next()?, next()?, next()?);
        let (owner, trace, trace_ends, of_epoch, body) = (next()?, next()?, next()?, next()?, next()?);
        if of_epoch.as_deref() != Some(epoch) {
            return Ok(Self::default());
        }
        // What cannot be read never ends by itself.
        let never = millis(Timestamp::NEVER);
        let number = |field: Option<Vec<u8>>| field.and_then(|digits| integer(&digits).ok()).unwrap_or(never);
        let (seen, ends) = match &trace {
            Some(_) => (0, number(trace_ends)),
            None => {
                let seen = number(seen);
                (seen, seen.saturating_add(number(idle)).min(number(cap)).min(never))
            }
        };
        let (rev, was, body) = (rev.unwrap_or_default(), was.unwrap_or_default(), body.unwrap_or_default());
        Ok(Self { rev, was, seen, ends, owner, trace, body, is_there: true })
    }

    pub(super) fn found(&self, key: SessionKey, now: Timestamp) -> Result<Found> {
        if !self.is_there {
            return Ok(Found::Nothing);
        }
        let body = self.trace.as_ref().unwrap_or(&self.body);
        let trace = self.trace.is_some();
        Row { key: key.as_bytes(), rev: &self.rev, seen: self.seen, ends: self.ends, trace, body }.found(now)
    }

    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.is_there && self.trace.is_none() && self.ends > millis(now)
    }

    pub(super) fn is_of(&self, owner: &Owner) -> bool {
        self.owner.as_deref() == Some(owner.as_bytes())
    }

    pub(super) fn has_token(&self, token: &[u8]) -> bool {
        self.is_there && self.rev.chunks(8).chain(self.was.chunks(8)).any(|written| written == token)
    }
}

pub(super) fn list(answer: Option<Value>) -> Result<Vec<Vec<u8>>> {
    match answer {
        Some(Value::Array(answers)) => names(answers.into_iter()),
        _ => Err(malformed(READING)),
    }
}

fn names(answers: impl Iterator<Item = Value>) -> Result<Vec<Vec<u8>>> {
    answers.map(|answer| bytes(Some(answer))).collect()
}

pub(super) fn bytes(answer: Option<Value>) -> Result<Vec<u8>> {
    optional(answer)?.ok_or_else(|| malformed(READING))
}

fn optional(answer: Option<Value>) -> Result<Option<Vec<u8>>> {
    match answer {
        Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
        Some(Value::SimpleString(text)) => Ok(Some(text.into_bytes())),
        Some(Value::Nil) | None => Ok(None),
        Some(_) => Err(malformed(READING)),
    }
}

fn integer(digits: &[u8]) -> Result<i64> {
    str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or_else(|| malformed(READING))
}
