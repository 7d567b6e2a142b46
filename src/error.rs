//! The crate's one error: what kind, what was being done, where, and why.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result whose error is [`enum@ErrorKind`] with its circumstances.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms that a program can act on.
///
/// New kinds may come with a minor release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`Store::create`](crate::Store::create) or [`rotate`](crate::Store::rotate) met a key that is in use.
    #[error("the session key is taken")]
    KeyTaken,
    /// An entry that this request had read, and then overwrote, was changed by another request meanwhile.
    #[error("entry {entry:?} was changed by another request after this one had read it")]
    Conflict {
        /// The entry's name.
        entry: String,
    },
    /// A commit met so many competing ones that it gave up; nothing of it was stored.
    #[error("too many requests changed this session at once")]
    Contention,
    /// A handle was used after its session had been committed.
    #[error("the session was already committed")]
    Committed,
    /// The session was opened by an id within the grace window of a rotation; it cannot be changed.
    #[error("the session is read-only: its id was rotated a moment ago")]
    ReadOnly,
    /// The session was reached by its key instead of its visitor's cookie, so nothing could carry a new id to them.
    #[error("no visitor is here whose cookie could carry a new id")]
    NoVisitor,
    /// A stored or given value does not fit the type asked for, or cannot be stored. What is stored stays.
    #[error("entry {entry:?}")]
    Entry {
        /// The entry's name.
        entry: String,
    },
    /// Something is larger than its limit.
    #[error("{what} is {size} bytes, and at most {limit} are allowed")]
    TooLarge {
        /// What is too large, such as "the record".
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The owner has as many sessions as the store allows, and the store refuses more.
    #[error("this user has {limit} sessions already, the limit")]
    OwnerLimit {
        /// The limit.
        limit: usize,
    },
    /// The store is full: its own limit on bytes, or the disk. Nothing of the operation was done.
    #[error("the store is full")]
    Full,
    /// Something stored is damaged, or is not what the format says.
    #[error("stored data is damaged")]
    Damaged,
    /// Waiting for a lock took longer than its limit; the operation was not begun.
    #[error("timed out")]
    Timeout,
    /// The store can only be read: where it lies nothing could be written when it was opened, or nothing can be any more.
    #[error("the session store can only be read here")]
    NotWritable,
    /// A sync to disk failed: nothing more is written until the store was closed by every process, and opened again. What was
    /// under way then may be found done, or not.
    #[error("the store no longer accepts writes, because a sync to disk failed; close it everywhere and open it again")]
    Poisoned,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The handle was made before this process was forked; open the store anew in the child.
    #[error("the store was opened before a fork; open it again in this process")]
    Forked,
    /// A directory, file or file system is refused because the promises would not hold on it.
    #[error("refused")]
    Refused,
    /// A file was written by a newer version of cloakroom.
    #[error("the format is newer than this version of cloakroom")]
    NewerFormat,
    /// The operating system's random generator failed.
    #[error("the operating system gave no random bytes")]
    Random,
    /// Settings that contradict each other, or make no sense.
    #[error("the configuration is not usable")]
    Config,
    /// The operating system refused an operation. A save that is answered so may be found done, or not.
    #[error("input or output failed")]
    Io,
    /// A store on another machine could not be reached, or answered with an error.
    #[error("the store is unavailable")]
    Unavailable,
}

/// An error of cloakroom: a [kind](Error::kind), what was being done, the path if there is one, and the cause.
///
/// `Display` tells all of it in one line, the cause included. No error ever contains a session id.
pub struct Error(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    doing: Cow<'static, str>,
    path: Option<PathBuf>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind that happened while `doing` something ("opening the store").
    pub fn new(kind: ErrorKind, doing: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts { kind, doing: doing.into(), path: None, cause: None }))
    }

    /// An error of the operating system; a full disk becomes [`ErrorKind::Full`], a read-only file system
    /// [`ErrorKind::NotWritable`].
    pub fn io(doing: impl Into<Cow<'static, str>>, cause: io::Error) -> Self {
        let kind = match cause.kind() {
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

    /// Adds the file or directory.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The file or directory, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The cause, such as the [`io::Error`]. It is part of `Display` already.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The same failure, where its kind would say too much or too little.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same failure, told to another who waited for the same thing.
    pub(crate) fn repeated(&self) -> Self {
        let mut again = Self::new(self.0.kind.clone(), self.0.doing.clone());
        again.0.path.clone_from(&self.0.path);
        again.0.cause = self.0.cause.as_ref().map(|cause| cause.to_string().into());
        again
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, doing, path, cause } = &*self.0;
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
        let Parts { kind, doing, path, cause } = &*self.0;
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
    /// The cause of the cause: `Display` has told the cause itself.
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
    fn a_full_disk_has_a_kind_of_its_own() {
        let error = Error::io("appending", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.kind(), &ErrorKind::Full);
    }
}
