//! The crate's one error: its kind, what was being done, where, and why.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result whose error is an [`Error`] unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms that a program can act on.
///
/// New kinds may come with a minor release.
///
/// ```
/// use cloakroom::{Error, ErrorKind};
///
/// /// The status of the response to a request that failed.
/// fn status(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::Conflict { .. } | ErrorKind::Contention => 409, // the client may try again
///         ErrorKind::TooLarge { .. } => 413,
///         ErrorKind::Full => 507,
///         ErrorKind::Timeout | ErrorKind::Unavailable => 503,
///         _ => 500,
///     }
/// }
///
/// assert_eq!(status(&Error::new(ErrorKind::Contention, "committing a session")), 409);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`Store::create`](crate::Store::create) or [`rotate`](crate::Store::rotate) met a key that is in use.
    #[error("the session key is taken")]
    KeyTaken,
    /// This request read an entry and then overwrote it, and another request changed the entry in between.
    #[error("entry {entry:?} was changed by another request after this one had read it")]
    #[non_exhaustive]
    Conflict {
        /// The entry's name.
        entry: String,
    },
    /// A commit lost its compare-and-swap against other commits so often that it gave up. Nothing of it was stored.
    #[error("too many requests changed this session at once")]
    Contention,
    /// A session was used after its commit.
    #[error("the session was already committed")]
    Committed,
    /// Another request ended the session while this one was under way, so what this one set in it could not be kept, or its
    /// [reauthentication](crate::Session::reauthenticated).
    #[error("the session was ended meanwhile, and the changes of {entries:?} are lost")]
    #[non_exhaustive]
    Lost {
        /// The names of the entries that this request set or modified; none where a reauthentication alone is lost.
        entries: Vec<String>,
    },
    /// The request came with ids of several sessions, and these have different owners: nobody can say whose request it is.
    /// A login or a logout ends them all.
    #[error("the request came with the sessions of different owners")]
    Locked,
    /// The session was reached by its key and not by its visitor's cookie, so no response could carry a new id.
    #[error("no visitor is here whose cookie could carry a new id")]
    NoVisitor,
    /// The session has no owner: nobody is logged in who could [authenticate again](crate::Session::reauthenticated).
    #[error("nobody is logged in")]
    NoOwner,
    /// A stored value does not fit the type asked for, or a given value cannot be stored. The stored session stays as
    /// it was.
    #[error("entry {entry:?}")]
    #[non_exhaustive]
    Entry {
        /// The entry's name.
        entry: String,
    },
    /// Something is larger than its limit.
    #[error("{what} is {size} bytes, and at most {limit} are allowed")]
    #[non_exhaustive]
    TooLarge {
        /// What is too large, such as "the record".
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An owner is empty. All users without an id would share their sessions.
    #[error("the owner is empty")]
    EmptyOwner,
    /// The owner has as many sessions as the store allows, and the store refuses more.
    #[error("this user has {limit} sessions already, the limit")]
    #[non_exhaustive]
    OwnerLimit {
        /// The limit.
        limit: usize,
    },
    /// The store is full: its own limit on bytes is reached, or the disk's. Nothing of the operation was done.
    #[error("the store is full")]
    Full,
    /// Stored bytes are damaged, or are not what their format says.
    #[error("stored data is damaged")]
    Damaged,
    /// Waiting for a lock took longer than its time limit. The operation was not begun.
    #[error("timed out")]
    Timeout,
    /// The store is read-only: its directory was not writable when the store was opened, or is not writable any more.
    #[error("the session store can only be read here")]
    NotWritable,
    /// A sync to disk failed. The store writes nothing more until every process has closed it and one opens it again. An
    /// operation that was under way then may be found done, or not.
    #[error("the store no longer accepts writes, because a sync to disk failed; close it everywhere and open it again")]
    Poisoned,
    /// The store's directory, or a file in it, was removed, replaced or cut while the store was open. The store writes nothing
    /// more until every process has closed it and one opens it again. An operation that was under way then may be found done,
    /// or not.
    #[error("the files that the store has open are not those in its directory any more")]
    FilesLost,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The store was opened before this process was forked. Open it again in the child.
    #[error("the store was opened before a fork; open it again in this process")]
    Forked,
    /// A directory, file or file system is refused because the store's promises would not hold on it.
    #[error("refused")]
    Refused,
    /// A file was written by a newer version of cloakroom.
    #[error("the format is newer than this version of cloakroom")]
    NewerFormat,
    /// The operating system's random generator failed.
    #[error("the operating system gave no random bytes")]
    Random,
    /// A cookie cannot be made, or not with this value; the cause is a [`CookieError`](crate::cookie::CookieError).
    #[error("the cookie is refused")]
    Cookie,
    /// A text is no session's handle, key or id, or no time. Where it came with a request, the client made it up.
    #[error("the text is malformed")]
    Malformed,
    /// Settings contradict each other, or make no sense.
    #[error("the configuration is not usable")]
    Config,
    /// The operating system refused an operation. A save that fails with this kind may be found done, or not.
    #[error("input or output failed")]
    Io,
    /// A store on another machine could not be reached, or answered with an error.
    #[error("the store is unavailable")]
    Unavailable,
}

impl ErrorKind {
    /// [`ErrorKind::OwnerLimit`], for a store that refuses one more session of a user who has `limit`.
    ///
    /// ```
    /// use cloakroom::{Error, ErrorKind};
    ///
    /// let refused = Error::new(ErrorKind::owner_limit(5), "creating a session");
    /// assert_eq!(refused.to_string(), "creating a session: this user has 5 sessions already, the limit");
    /// ```
    pub const fn owner_limit(limit: usize) -> Self {
        Self::OwnerLimit { limit }
    }

    /// [`ErrorKind::TooLarge`], for a store with a limit of its own. `what` is too large, such as "the record"; both numbers
    /// are of bytes.
    pub const fn too_large(what: &'static str, size: u64, limit: u64) -> Self {
        Self::TooLarge { what, size, limit }
    }
}

/// An error of cloakroom: a [kind](Error::kind), what was being done, the path if there is one, and the cause.
///
/// `Display` shows all of it in one line, the cause included. No error ever contains a session id.
///
/// ```
/// use std::io;
///
/// use cloakroom::{Error, ErrorKind};
///
/// let cause = io::Error::from(io::ErrorKind::ConnectionRefused);
/// let error = Error::new(ErrorKind::Unavailable, "loading a session").because(cause);
/// assert_eq!(error.kind(), &ErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "loading a session: the store is unavailable: connection refused");
/// ```
pub struct Error(Box<Parts>);

/// Why a file is [refused](ErrorKind::Refused), on its way through code that knows [`io::Error`] alone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(refusal)
    }
}

struct Parts {
    kind: ErrorKind,
    doing: Cow<'static, str>,
    path: Option<PathBuf>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    not_done: bool,
}

impl Error {
    /// An error of this kind that happened while `doing` something, such as "opening the store".
    pub fn new(kind: ErrorKind, doing: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts { kind, doing: doing.into(), path: None, cause: None, not_done: false }))
    }

    /// An error of the operating system. A full disk becomes [`ErrorKind::Full`], a read-only file system
    /// [`ErrorKind::NotWritable`], and any other error [`ErrorKind::Io`].
    ///
    /// ```
    /// use std::io;
    ///
    /// use cloakroom::{Error, ErrorKind};
    ///
    /// let full = Error::io("appending to the log", io::Error::from(io::ErrorKind::StorageFull)).at("00000001.log");
    /// assert_eq!(full.kind(), &ErrorKind::Full);
    /// ```
    pub fn io(doing: impl Into<Cow<'static, str>>, cause: io::Error) -> Self {
        let kind = match cause.kind() {
            _ if cause.get_ref().is_some_and(|cause| cause.is::<Refusal>()) => ErrorKind::Refused,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::NotWritable,
            _ => ErrorKind::Io,
        };
        Self::new(kind, doing).because(cause)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds the file or directory that the error is about.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether the operation that failed may have been done all the same, wholly or in part, or may still be done later.
    ///
    /// If not, nothing was done, and the caller may try again. If so, a caller that tries again may do it twice: it has to
    /// look first. Both are about operations that write. By its kind an error may hide a success if the store lost the answer
    /// of its medium, or could not make durable what it had written: [`Io`](ErrorKind::Io),
    /// [`Unavailable`](ErrorKind::Unavailable) and [`Poisoned`](ErrorKind::Poisoned). Every refusal, full store and timeout
    /// means that nothing was done. Only an operation on many sessions
    /// ([`update_owned_by`](crate::Store::update_owned_by)) may fail after it has changed some.
    ///
    /// ```
    /// use cloakroom::{Error, ErrorKind};
    ///
    /// assert!(Error::new(ErrorKind::Unavailable, "updating a session").may_have_happened());
    /// assert!(!Error::new(ErrorKind::KeyTaken, "creating a session").may_have_happened());
    /// // A store that knows more says so: here the connection was refused, and no request was sent.
    /// assert!(!Error::new(ErrorKind::Unavailable, "updating a session").not_done().may_have_happened());
    /// ```
    pub fn may_have_happened(&self) -> bool {
        !self.0.not_done && matches!(self.0.kind, ErrorKind::Io | ErrorKind::Unavailable | ErrorKind::Poisoned)
    }

    /// States that nothing of the operation was done, nor will be, whatever the kind leaves open; see
    /// [`may_have_happened`](Self::may_have_happened).
    #[must_use]
    pub fn not_done(mut self) -> Self {
        self.0.not_done = true;
        self
    }

    /// The file or directory, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The cause, such as the [`io::Error`]. `Display` shows it already.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// This error with another kind, for a caller that knows better what the failure means.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// A copy of this error, for each further caller that waited for the same operation. The cause becomes its text.
    pub(crate) fn repeated(&self) -> Self {
        let mut again = Self::new(self.0.kind.clone(), self.0.doing.clone());
        again.0.path.clone_from(&self.0.path);
        again.0.not_done = self.0.not_done;
        again.0.cause = self.0.cause.as_ref().map(|cause| cause.to_string().into());
        again
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, doing, path, cause, .. } = &*self.0;
        write!(f, "{doing}")?;
        if let Some(path) = path {
            write!(f, " ({})", path.display())?;
        }
        write!(f, ": {kind}")?;
        if let Some(cause) = cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, doing, path, cause, .. } = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind).field("doing", doing);
        if let Some(path) = path {
            shown.field("path", path);
        }
        if let Some(cause) = cause {
            shown.field("cause", cause);
        }
        shown.finish()
    }
}

impl StdError for Error {
    /// The cause of the cause, because `Display` shows the cause itself.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().and_then(StdError::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_what_where_and_why_in_one_line() {
        let cause = io::Error::other("no such device");
        let error = Error::io("appending to the log", cause).at("sessions/00000001.log");
        assert_eq!(
            error.to_string(),
            "appending to the log (sessions/00000001.log): input or output failed: no such device"
        );
        assert_eq!(error.kind(), &ErrorKind::Io);
        assert_eq!(error.repeated().to_string(), error.to_string());
    }

    #[test]
    fn what_was_refused_did_not_happen_and_what_failed_on_its_way_may_have() {
        for kind in [ErrorKind::KeyTaken, ErrorKind::Full, ErrorKind::OwnerLimit { limit: 3 }, ErrorKind::Timeout] {
            assert!(!Error::new(kind, "creating").may_have_happened());
        }
        let failed = Error::io("syncing the log", io::Error::other("no such device"));
        assert!(failed.may_have_happened() && failed.repeated().may_have_happened());
        assert!(Error::new(ErrorKind::Poisoned, "saving").may_have_happened());
        let refused = Error::io("connecting", io::Error::from(io::ErrorKind::ConnectionRefused)).not_done();
        assert!(!refused.may_have_happened() && !refused.repeated().may_have_happened());
    }

    #[test]
    fn a_full_disk_has_a_kind_of_its_own() {
        let error = Error::io("appending", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.kind(), &ErrorKind::Full);
    }
}
