//! What a store accepts: the sizes of records, and the numbers of a user's sessions and of traces.

use serde::{Deserialize, Serialize};

use crate::model::data::MAX_NAME_BYTES;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::owner::MAX_OWNER_BYTES;
use crate::model::record::Record;
use crate::store::traces::MAX_TRACES;

/// What a store accepts. A record beyond a limit is refused with an error that names the limit, and nothing is stored.
///
/// ```
/// use cloakroom::{BeyondLimit, Limits, MemoryStore, OwnerLimit};
///
/// let five_devices = OwnerLimit::new(5, BeyondLimit::EndOldest);
/// let limits = Limits::default().with_record_bytes(64 << 10).with_per_owner(five_devices);
/// let store = MemoryStore::with_limits(limits);
/// # let _ = store;
///
/// // As a configuration file has it.
/// let written = r#"{"record_bytes": 65536, "per_owner": {"sessions": 5, "beyond": "end-oldest"}}"#;
/// assert_eq!(serde_json::from_str::<Limits>(written)?, limits);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest record, in bytes of its [encoded form](Record::to_bytes). 1 MiB by default.
    pub record_bytes: usize,
    /// The limit on the number of live sessions of one user. None by default.
    pub per_owner: Option<OwnerLimit>,
    /// The most [traces](crate::Store#traces) at a time; [`MAX_TRACES`] by default. Beyond it those go that would have ended
    /// first, and nothing is refused. [`Capabilities::most_traces`](crate::Capabilities::most_traces) says what a store makes
    /// of it.
    pub traces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 1 << 20, per_owner: None, traces: MAX_TRACES }
    }
}

/// How many live sessions one user may have, and what happens to one more (OWASP ASVS 5.0, 7.1.2).
///
/// A session that belonged to the user already, before an update or a rotation, is never one more.
///
/// ```
/// use cloakroom::{BeyondLimit, ErrorKind, Limits, MemoryStore, OwnerLimit, Sessions};
///
/// # fn main() -> cloakroom::Result<()> {
/// let one = OwnerLimit::new(1, BeyondLimit::Refuse);
/// let store = MemoryStore::with_limits(Limits::default().with_per_owner(one));
/// let sessions = Sessions::builder(store).build()?.blocking();
/// sessions.test_cookie(|session| session.login("user 42"))?;
/// let second = sessions.test_cookie(|session| session.login("user 42"));
/// assert!(matches!(second.unwrap_err().kind(), ErrorKind::OwnerLimit { limit: 1, .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct OwnerLimit {
    /// The largest number of sessions.
    pub sessions: usize,
    /// What happens to a session beyond that number.
    pub beyond: BeyondLimit,
}

/// What happens when a user with as many sessions as allowed gets one more. [`OwnerLimit`] shows its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum BeyondLimit {
    /// The session that was seen longest ago ends, in the same step. Of two that were seen at the same time, the one with
    /// the smaller key ends. Sessions that have expired and were not swept end first. One that a clock stored which was ahead
    /// counts as seen last until that time has come, though it opens nothing.
    EndOldest,
    /// The new session is refused with [`ErrorKind::OwnerLimit`], unless sessions that have expired and were not swept can
    /// end in its stead.
    Refuse,
}

impl OwnerLimit {
    /// A limit of so many sessions.
    pub const fn new(sessions: usize, beyond: BeyondLimit) -> Self {
        Self { sessions, beyond }
    }
}

impl Limits {
    /// These limits, with another on a record's bytes.
    #[must_use]
    pub const fn with_record_bytes(self, record_bytes: usize) -> Self {
        Self { record_bytes, ..self }
    }

    /// These limits, with another on the sessions of one user; `None` for no limit.
    #[must_use]
    pub fn with_per_owner(self, per_owner: impl Into<Option<OwnerLimit>>) -> Self {
        Self { per_owner: per_owner.into(), ..self }
    }

    /// These limits, with another on the number of traces.
    #[must_use]
    pub const fn with_traces(self, traces: usize) -> Self {
        Self { traces, ..self }
    }

    /// Checks a record and its encoded form against the limits on sizes. A store calls this before each write.
    ///
    /// It does not check [`per_owner`](Self::per_owner) and [`traces`](Self::traces), which depend on what else is stored.
    ///
    /// ```
    /// use cloakroom::{ErrorKind, Lifetime, Limits, Record, SessionKey, Timestamp};
    ///
    /// let record = Record::new(SessionKey::from_bytes([7; 16]), Lifetime::AAL1, Timestamp::EPOCH);
    /// let limits = Limits::default().with_record_bytes(8);
    /// let error = limits.check(&record, &record.to_bytes()).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::TooLarge { what: "the record", limit: 8, .. }));
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`], which names what is too large; [`ErrorKind::EmptyOwner`]; [`ErrorKind::Entry`] for an entry without a name, which
    /// could be written and never be read.
    pub fn check(&self, record: &Record, encoded: &[u8]) -> Result<()> {
        let too_large = |what, size: usize, limit: usize| {
            let kind = ErrorKind::TooLarge { what, size: size as u64, limit: limit as u64 };
            Err(Error::new(kind, format!("storing session {}", record.key())))
        };
        if encoded.len() > self.record_bytes {
            return too_large("the record", encoded.len(), self.record_bytes);
        }
        match record.owner().map_or(1, |owner| owner.as_bytes().len()) {
            0 => return Err(Error::new(ErrorKind::EmptyOwner, format!("storing session {}", record.key()))),
            1..=MAX_OWNER_BYTES => {}
            size => return too_large("the owner", size, MAX_OWNER_BYTES),
        }
        match record.data().iter().find(|(name, _)| !(1..=MAX_NAME_BYTES).contains(&name.len())) {
            Some(("", _)) => {
                let kind = ErrorKind::Entry { entry: String::new() };
                Err(Error::new(kind, format!("storing session {}", record.key())).because("an entry has no name"))
            }
            Some((name, _)) => too_large("an entry's name", name.len(), MAX_NAME_BYTES),
            None => Ok(()),
        }
    }
}
