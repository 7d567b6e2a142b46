//! What is left under the key of a session that has moved, was replaced or has ended; and the layout of its bytes.
//!
//! What belongs here: the trace, what two of them make, and its encoded form. What never does: when a request leaves one, and
//! how a store keeps it.

use std::fmt;

use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::time::Timestamp;

/// The most successors that a trace names.
pub const MAX_SUCCESSORS: usize = 4;

/// What became of a session. [`Found`](crate::Found) shows its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TraceKind {
    /// It goes on under another key: it was rotated, or its owner has logged in again.
    Moved = 1,
    /// Another session took its place: another owner has logged in.
    Replaced = 2,
    /// It was ended, and nothing took its place.
    Ended = 3,
}

/// What a rotation, a login or a logout leaves under the old key for a short while, so that a request that was on its way
/// learns what became of its session.
///
/// A trace is no session. It opens nothing, belongs to nobody, holds no data, and is in no listing, count, scan or limit. It
/// ends at a fixed time, and nothing puts that off but another trace in its place. The keys of its successors are hashes of
/// their ids, so a trace is worth nothing to a thief.
///
/// ```
/// use cloakroom::{SessionId, SessionKey, Timestamp, Trace, TraceKind};
///
/// # fn main() -> cloakroom::Result<()> {
/// let key = SessionKey::of(&SessionId::generate()?);
/// let successor = SessionKey::of(&SessionId::generate()?);
/// let trace = Trace::moved(successor, Timestamp::from_secs(1_700_000_060));
/// assert_eq!((trace.kind(), trace.successors()), (TraceKind::Moved, &[successor][..]));
///
/// // A store keeps the bytes, and beside them the key.
/// assert_eq!(Trace::from_bytes(key, &trace.to_bytes())?, trace);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    kind: TraceKind,
    ends: Timestamp,
    /// The successors, the latest last; zeros behind them.
    to: [SessionKey; MAX_SUCCESSORS],
    count: u8,
}

impl Trace {
    /// The first byte of a trace's encoded form: 128, and the version of the format. A [`Record`](crate::Record)'s is below 128.
    const VERSION: u8 = 129;

    const NONE: SessionKey = SessionKey::from_bytes([0; 16]);

    /// The session goes on under the key `to`. The trace ends at `ends`.
    pub const fn moved(to: SessionKey, ends: Timestamp) -> Self {
        Self { kind: TraceKind::Moved, ends, to: [to, Self::NONE, Self::NONE, Self::NONE], count: 1 }
    }

    /// The session under the key `to` took its place. The trace ends at `ends`.
    pub const fn replaced(to: SessionKey, ends: Timestamp) -> Self {
        Self { kind: TraceKind::Replaced, ..Self::moved(to, ends) }
    }

    /// The session was ended. The trace ends at `ends`.
    pub const fn ended(ends: Timestamp) -> Self {
        Self { kind: TraceKind::Ended, ends, to: [Self::NONE; MAX_SUCCESSORS], count: 0 }
    }

    /// What became of the session.
    pub const fn kind(&self) -> TraceKind {
        self.kind
    }

    /// The keys of the sessions that came after it, the latest last: none if it was ended, else one to
    /// [`MAX_SUCCESSORS`]. They may have moved or ended since.
    pub fn successors(&self) -> &[SessionKey] {
        &self.to[..usize::from(self.count)]
    }

    /// When the trace is over.
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether the trace is over at this time. It is over at the very moment of [`ends`](Self::ends), not only after it.
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        self.ends <= now
    }

    /// What stands where `newer` is left over this trace. Of one kind, they make one trace with the successors of both, the
    /// latest four, which ends when the later of both does. Else the newer one stands alone.
    ///
    /// ```
    /// use cloakroom::{SessionKey, Timestamp, Trace};
    ///
    /// let [one, other] = [1, 2].map(|n| SessionKey::from_bytes([n; 16]));
    /// let [sooner, later] = [60, 90].map(Timestamp::from_secs);
    /// let both = Trace::moved(one, later).join(&Trace::moved(other, sooner));
    /// assert_eq!((both.successors(), both.ends()), (&[one, other][..], later));
    /// assert_eq!(both.join(&Trace::ended(sooner)), Trace::ended(sooner));
    /// ```
    #[must_use]
    pub fn join(&self, newer: &Self) -> Self {
        if self.kind != newer.kind {
            return *newer;
        }
        let mut joined = Self { ends: self.ends.max(newer.ends), to: [Self::NONE; MAX_SUCCESSORS], count: 0, ..*newer };
        let older = self.successors().iter().filter(|key| !newer.successors().contains(key));
        let all: Vec<SessionKey> = older.chain(newer.successors()).copied().collect();
        let latest = &all[all.len().saturating_sub(MAX_SUCCESSORS)..];
        joined.to[..latest.len()].copy_from_slice(latest);
        joined.count = latest.len() as u8;
        joined
    }

    /// The trace's encoded form, without its key, which stores keep beside it.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 1 | 128 and the format version, 1. The first byte of a [`Record`](crate::Record) is below 128 |
    /// | 1 | what became of the session: 1 moved, 2 replaced, 3 ended |
    /// | 8 | when the trace ends: milliseconds since the Unix epoch, little-endian |
    /// | 16 each | the successors, the latest last: none if the session ended, else one to four |
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(10 + 16 * self.successors().len());
        writer.byte(Self::VERSION);
        writer.byte(self.kind as u8);
        writer.fixed(&self.ends.as_millis().to_le_bytes());
        self.successors().iter().for_each(|key| writer.fixed(key.as_bytes()));
        writer.into_vec()
    }

    /// Reads what [`Trace::to_bytes`] wrote under this key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NewerFormat`] if a newer version of cloakroom wrote the trace, [`ErrorKind::Damaged`] if the bytes are not
    /// a trace.
    pub fn from_bytes(key: SessionKey, bytes: &[u8]) -> Result<Self> {
        match bytes.first() {
            Some(&version) if version > Self::VERSION => {
                let doing = format!("reading the trace of session {key}, of format {}", version & 127);
                Err(Error::new(ErrorKind::NewerFormat, doing))
            }
            _ => Self::read(bytes).map_err(|cause| {
                Error::new(ErrorKind::Damaged, format!("reading the trace of session {key}")).because(cause)
            }),
        }
    }

    /// Whether these are the bytes of a trace, of any version, and not of a record.
    pub fn is_trace(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|version| version & 128 != 0)
    }

    /// Reads the bytes of a trace of this version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != Self::VERSION {
            return Err(CodecError::Malformed);
        }
        let kind = match reader.byte()? {
            1 => TraceKind::Moved,
            2 => TraceKind::Replaced,
            3 => TraceKind::Ended,
            _ => return Err(CodecError::Malformed),
        };
        let ends = u64::from_le_bytes(reader.fixed()?);
        if ends > Timestamp::NEVER.as_millis() {
            return Err(CodecError::Malformed);
        }
        let mut trace = Self { kind, ..Self::ended(Timestamp::from_millis(ends)) };
        while !reader.is_empty() {
            let place = trace.to.get_mut(usize::from(trace.count)).ok_or(CodecError::Malformed)?;
            *place = SessionKey::from_bytes(reader.fixed()?);
            trace.count += 1;
        }
        let is_ended = kind == TraceKind::Ended;
        if is_ended == (trace.count == 0) { Ok(trace) } else { Err(CodecError::Malformed) }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("kind", &self.kind)
            .field("successors", &self.successors())
            .field("ends", &self.ends)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Timestamp = Timestamp::from_secs(60);

    fn key(n: u8) -> SessionKey {
        SessionKey::from_bytes([n; 16])
    }

    fn of(kind: fn(SessionKey, Timestamp) -> Trace, keys: &[u8]) -> Trace {
        keys[1..].iter().fold(kind(key(keys[0]), ENDS), |trace, n| trace.join(&kind(key(*n), ENDS)))
    }

    #[test]
    fn the_latest_four_successors_stay_each_once() {
        assert_eq!(of(Trace::moved, &[1, 2, 3, 4, 5]).successors(), [2, 3, 4, 5].map(key));
        assert_eq!(of(Trace::replaced, &[1, 2, 1]).successors(), [2, 1].map(key));
        let both = of(Trace::moved, &[1, 2, 3]).join(&of(Trace::moved, &[3, 4, 5]));
        assert_eq!(both.successors(), [2, 3, 4, 5].map(key));
    }

    #[test]
    fn a_trace_of_another_kind_stands_alone() {
        let all = [of(Trace::moved, &[1]), of(Trace::replaced, &[2]), Trace::ended(ENDS)];
        for older in all {
            for newer in all {
                assert_eq!(older.join(&newer), newer);
            }
        }
    }

    #[test]
    fn a_trace_reads_back_and_no_part_of_one_and_nothing_longer_is_one() {
        for trace in [of(Trace::moved, &[1]), of(Trace::replaced, &[1, 2, 3, 4]), Trace::ended(Timestamp::NEVER)] {
            let bytes = trace.to_bytes();
            assert!(Trace::is_trace(&bytes));
            assert_eq!(Trace::from_bytes(key(9), &bytes).unwrap(), trace);
            for cut in 0..bytes.len() {
                let is_shorter_trace = Trace::read(&bytes[..cut]).is_ok_and(|cut| cut.count < trace.count);
                assert!(is_shorter_trace || Trace::read(&bytes[..cut]).is_err(), "cut at {cut}");
            }
            assert!(Trace::read(&[&bytes[..], &[0]].concat()).is_err());
        }
        assert!(Trace::read(&[&of(Trace::moved, &[1, 2, 3, 4]).to_bytes()[..], &[5; 16]].concat()).is_err());
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        let ended = Trace::ended(ENDS).to_bytes();
        let changed = |at: usize, byte: u8| {
            let mut bytes = ended.clone();
            bytes[at] = byte;
            Trace::from_bytes(key(9), &bytes).map_err(|error| error.kind().clone())
        };
        assert_eq!(changed(0, 130), Err(ErrorKind::NewerFormat));
        assert_eq!(changed(0, 1), Err(ErrorKind::Damaged), "a record");
        assert_eq!(changed(1, 0), Err(ErrorKind::Damaged));
        assert_eq!(changed(1, 1), Err(ErrorKind::Damaged), "moved nowhere");
        assert_eq!(changed(9, 255), Err(ErrorKind::Damaged), "later than never");
    }
}
