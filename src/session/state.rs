//! What a session handle holds between opening and commit.

use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::session::changes::Changes;
use crate::session::committed::Committed;

/// All clones of a `Session` share it, under one lock. No code of the application runs under that lock.
pub(crate) struct State {
    pub(crate) access: Access,
    /// When the request came. The session counts as seen then, however long the request takes.
    pub(crate) arrived: Timestamp,
    /// When the session was seen before, if the store knows of this request already.
    pub(crate) seen_before: Option<Timestamp>,
    pub(crate) visitor: Visitor,
    /// The id by which the visitor came, if that is this session's.
    pub(crate) id: Option<SessionId>,
    /// The session without `changes`: as it was loaded, or blank.
    pub(crate) record: Record,
    pub(crate) is_stored: bool,
    /// The session that this request destroyed. `record` is blank then.
    pub(crate) ended: Option<Box<Record>>,
    /// What bars the use of the session. `record` is blank until a login has taken the session's place.
    pub(crate) barred: Option<Box<Barred>>,
    pub(crate) changes: Changes,
    pub(crate) early: Early,
}

/// What the request showed of its visitor, whatever session that opened.
#[derive(Clone, Default)]
pub(crate) struct Visitor {
    /// Whether an id came.
    pub(crate) has_cookie: bool,
    /// Whether the visitor logs out of what that id opens no more.
    pub(crate) leaves: bool,
    /// The ids that came, but for that of the session which is opened.
    pub(crate) beside: Vec<Came>,
    pub(crate) hidden_at: Option<HiddenAt>,
}

/// An id that came and that opened nothing.
#[derive(Clone)]
pub(crate) struct Came {
    pub(crate) key: SessionKey,
    pub(crate) stood: Stood,
}

/// What stood under the key of an id when the request came.
#[derive(Clone)]
pub(crate) enum Stood {
    /// A session that lives.
    Live(Box<Record>),
    /// A session that is stored and opens nothing: it is over by today's policy or for this clock, or it cannot be read.
    Unusable,
    Trace(Trace),
    Nothing,
}

/// Why the session cannot be used: it cannot be read, or the ids that came are of sessions with different owners.
pub(crate) struct Barred {
    pub(crate) error: Error,
    /// Whether a login or a logout ends what is barred. All that looks at the session fails before.
    pub(crate) ends: bool,
}

/// Host and path of a request with several ids, some of which may hide the session's.
pub(crate) type HiddenAt = Arc<(Box<str>, Box<str>)>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything is allowed.
    Full,
    /// Everything but a new id: no response can carry it to the visitor.
    NoVisitor,
    /// Nothing: the commit has begun.
    Committed,
}

/// How far a commit of the application's own has come.
#[derive(Default)]
pub(crate) enum Early {
    /// There is none; or it has failed, and then its caller has the error.
    #[default]
    None,
    /// It is under way, or was dropped: what it does, or has done, is not known.
    Begun,
    Done(Box<Committed>),
}

impl State {
    pub(crate) fn check_open(&self) -> Result<()> {
        match (self.access, &self.barred) {
            (Access::Committed, _) => Err(Error::new(ErrorKind::Committed, "using a session")),
            (_, Some(barred)) if !barred.ends => Err(barred.error.repeated()),
            _ => Ok(()),
        }
    }

    /// Lets the visitor log out of what is barred.
    pub(crate) fn end_barred(&mut self) {
        if let Some(barred) = &mut self.barred {
            barred.ends = true;
        }
    }

    /// Lets the visitor log in where the session is barred. Of several sessions the login takes the place of the first, and
    /// has nothing of what is in it.
    pub(crate) fn replace_barred(&mut self) {
        let Some(barred) = self.barred.as_mut().filter(|barred| !barred.ends) else { return };
        barred.ends = true;
        if barred.error.kind() == &ErrorKind::Locked
            && let Some(Came { stood: Stood::Live(first), .. }) = self.visitor.beside.first_mut()
        {
            self.record = (**first).clone();
            self.is_stored = true;
            self.visitor.beside.remove(0);
            self.changes.disown();
        }
    }

    pub(crate) fn check_rotatable(&self) -> Result<()> {
        match self.access {
            Access::NoVisitor => Err(Error::new(ErrorKind::NoVisitor, "giving a session a new id")),
            _ => self.check_open(),
        }
    }

    /// The session as it is stored, as far as this request knows.
    pub(crate) fn stored(&self) -> Option<Record> {
        self.is_stored.then(|| self.record.clone())
    }

    /// The session with all its changes but those of entries.
    pub(crate) fn head(&self) -> Record {
        let mut record = self.record.clone();
        self.changes.apply_head(&mut record);
        record
    }

    /// Ends what is stored; the request goes on with a blank session.
    pub(crate) fn destroy(&mut self, blank: Record) {
        let record = std::mem::replace(&mut self.record, blank);
        if self.is_stored {
            self.ended = Some(Box::new(record));
        }
        self.visitor.leaves = self.visitor.has_cookie;
        self.is_stored = false;
        self.changes = Changes::default();
    }

    /// Takes out what a commit carries. From now on each clone of the `Session` answers with `Committed`.
    pub(crate) fn take(&mut self) -> State {
        self.access = Access::Committed;
        State {
            access: Access::Committed,
            arrived: self.arrived,
            seen_before: self.seen_before,
            visitor: std::mem::take(&mut self.visitor),
            id: self.id.take(),
            record: self.record.clone(),
            is_stored: self.is_stored,
            ended: self.ended.clone(),
            barred: self.barred.take(),
            changes: std::mem::take(&mut self.changes),
            early: Early::None,
        }
    }
}
