//! The calls that store a session, and what a call is made of.

use tokio::time::Instant;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::redis::answer::Answer;
use crate::store::redis::lines::{Call, malformed};
use crate::store::redis::store::RedisStore;
use crate::store::remote::failed::Failed;
use crate::store::remote::row::{Written, millis, token};
use crate::store::{BeyondLimit, Update};

/// As much as one value may have on a server (`proto-max-bulk-len`).
const LARGEST_BODY: usize = 512 << 20;

/// How often an operation calls its script anew because of what it was told to look at. Each time another request came between.
pub(super) const ATTEMPTS: usize = 20;

/// The arguments before those of the first trace, in a call that creates.
const BEFORE_TRACES: usize = 10;

const STORING: &str = "storing a session";

impl RedisStore {
    /// The keys that each script has, in their order.
    pub(super) fn keys(&self, key: Vec<u8>, owner: Option<&Owner>) -> Vec<Vec<u8>> {
        let prefix = &self.0.prefix;
        let owner = owner.map_or_else(|| key.clone(), |owner| prefix.owner(owner));
        vec![key, prefix.epoch(), prefix.traces(), owner]
    }

    fn written(&self, record: &Record, expected: Option<Revision>) -> Result<Written> {
        let bytes = record.to_bytes();
        self.0.limits.check(record, &bytes)?;
        if bytes.len() > LARGEST_BODY {
            let kind = ErrorKind::TooLarge { what: "the record", size: bytes.len() as u64, limit: LARGEST_BODY as u64 };
            return Err(Error::new(kind, format!("storing session {}", record.key())));
        }
        Ok(Written::of(record, bytes, expected))
    }

    /// The arguments that `create` and `replace` begin with.
    fn arguments(&self, written: Written, now: Timestamp) -> Vec<Vec<u8>> {
        let limit = self.0.limits.per_owner;
        let refuse = limit.is_some_and(|limit| limit.beyond == BeyondLimit::Refuse);
        vec![
            digits(millis(now)),
            digits(limit.map_or(0, |limit| limit.sessions.min(i32::MAX as usize) as i64)),
            digits(i64::from(refuse)),
            written.rev,
            digits(written.seen),
            digits(written.idle),
            digits(written.cap),
            written.owner.unwrap_or_default(),
            written.body,
        ]
    }

    pub(super) fn refused(&self, answer: &Answer, key: &SessionKey) -> Error {
        let limit = self.0.limits.per_owner.map_or(0, |limit| limit.sessions);
        let kind = match answer {
            Answer::Limit => ErrorKind::OwnerLimit { limit },
            Answer::Taken => ErrorKind::KeyTaken,
            _ => ErrorKind::Contention,
        };
        Error::new(kind, format!("storing session {key}"))
    }

    /// Names the owner's sessions to a script, so that it may end some.
    async fn name_sessions(&self, call: &mut Call, own_keys: usize, record: &Record, until: Instant) -> Result<()> {
        let Some(owner) = record.owner() else { return Err(malformed(STORING)) };
        call.keys.truncate(own_keys);
        call.keys.extend(self.names_of(owner, until).await?);
        Ok(())
    }

    /// Removes traces beyond the bound. Where that fails, the server removes them by itself a little later.
    pub(super) async fn forget(&self, dropped: Vec<Vec<u8>>, until: Instant) {
        for name in dropped {
            let keys = self.keys(self.0.prefix.session_named(&name), None);
            let call = Call { keys, arguments: vec![b"0".to_vec()] };
            let _ = self.0.lines.call("removing a trace", &self.0.scripts.forget_trace, &call, until).await;
        }
    }

    pub(super) async fn begin(
        &self,
        record: &Record,
        traces: &[(SessionKey, Trace)],
        now: Timestamp,
    ) -> Result<Revision> {
        let written = self.written(record, None)?;
        let (revision, own_token) = (written.revision, written.rev.clone());
        let prefix = &self.0.prefix;
        let mut keys = self.keys(prefix.session(record.key()), record.owner());
        keys.extend(traces.iter().map(|(key, _)| prefix.session(key)));
        let mut arguments = self.arguments(written, now);
        arguments.push(digits(traces.len() as i64));
        for (_, trace) in traces {
            arguments.extend([trace.to_bytes(), digits(millis(trace.ends())), Vec::new()]);
        }
        let (own_keys, until) = (keys.len(), self.0.lines.until());
        let mut call = Call { keys, arguments };
        for _ in 0..ATTEMPTS {
            let answer = match self.0.lines.call(STORING, &self.0.scripts.create, &call, until).await {
                Ok(answer) => Answer::of(answer)?,
                // It is not sent again: what has ended the session meanwhile would be undone.
                Err(failed) if failed.is_lost && self.has_token(record.key(), &own_token).await.unwrap_or(false) => {
                    return Ok(revision);
                }
                Err(failed) => return Err(failed.into_error()),
            };
            match answer {
                Answer::Stored { dropped } => {
                    self.forget(dropped, until).await;
                    return Ok(revision);
                }
                // Another login's trace stands there: both become one.
                Answer::Join { at, bytes } => {
                    let Some((key, trace)) = traces.get(at) else { return Err(malformed(STORING)) };
                    let joined = Trace::from_bytes(*key, &bytes).map_or(*trace, |standing| standing.join(trace));
                    let place = BEFORE_TRACES + 3 * at;
                    call.arguments[place] = joined.to_bytes();
                    call.arguments[place + 1] = digits(millis(joined.ends()));
                    call.arguments[place + 2] = bytes;
                }
                Answer::Look => self.name_sessions(&mut call, own_keys, record, until).await?,
                refused => return Err(self.refused(&refused, record.key())),
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("storing session {}", record.key())).not_done())
    }

    pub(super) async fn replace(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        let written = self.written(record, Some(expected))?;
        let (revision, expected) = (written.revision, token(expected));
        let prefix = &self.0.prefix;
        let mut keys = self.keys(prefix.session(old), record.owner());
        keys.push(prefix.session(record.key()));
        let mut arguments = self.arguments(written, now);
        arguments.push(expected.clone());
        arguments.push(trace.map(Trace::to_bytes).unwrap_or_default());
        arguments.push(trace.map(|trace| digits(millis(trace.ends()))).unwrap_or_default());
        let again = arguments.len();
        arguments.push(digits(0));
        let (own_keys, until) = (keys.len(), self.0.lines.until());
        let mut call = Call { keys, arguments };
        let mut lost: Option<Failed> = None;
        for _ in 0..ATTEMPTS {
            let answer = match self.0.lines.call(STORING, &self.0.scripts.replace, &call, until).await {
                Ok(answer) => Answer::of(answer)?,
                // Compare-and-swap with a token of its own may be sent again: it is done once, and recognised.
                Err(failed) if failed.is_lost && lost.is_none() && Instant::now() < until => {
                    call.arguments[again] = digits(1);
                    lost = Some(failed);
                    continue;
                }
                Err(failed) => return Err(lost.unwrap_or(failed).into_error()),
            };
            match (answer, lost.take()) {
                (Answer::Stored { dropped }, _) => {
                    self.forget(dropped, until).await;
                    return Ok(Update::Stored(revision));
                }
                (Answer::Look, before) => {
                    lost = before;
                    self.name_sessions(&mut call, own_keys, record, until).await?;
                }
                // What replaced the expected revision is known, and was not the call whose answer was lost.
                (Answer::Conflict(current), Some(_)) if current.has_had(&expected) => {
                    return Ok(Update::Conflict(Box::new(current.record(*old)?)));
                }
                (_, Some(lost)) => return Err(lost.into_error()),
                (Answer::Conflict(current), None) => return Ok(Update::Conflict(Box::new(current.record(*old)?))),
                (Answer::Gone, None) => return Ok(Update::Gone),
                (refused, None) => return Err(self.refused(&refused, record.key())),
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("storing session {}", record.key())).not_done())
    }
}

pub(super) fn digits(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}
