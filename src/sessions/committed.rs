//! What a commit did.

use crate::cookie::SetCookie;

/// What became of a session at its commit, and the cookie that the response has to carry.
#[derive(Clone, Debug)]
#[must_use = "the response has to carry the cookie, if there is one"]
pub struct Committed {
    pub(super) outcome: Outcome,
    pub(super) set_cookie: Option<SetCookie>,
    pub(super) lost: Vec<String>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: there was nothing to do.
    Unchanged,
    /// The store knows that the session was seen.
    Touched,
    /// A new session is stored.
    Created,
    /// The changes are stored.
    Stored,
    /// The session has a new id, and the changes are stored.
    Rotated,
    /// The session was ended.
    Destroyed,
    /// The session was over or ended by another request: nothing was written.
    Lost,
}

impl Committed {
    pub(super) fn new(outcome: Outcome, set_cookie: Option<SetCookie>) -> Self {
        Self { outcome, set_cookie, lost: Vec::new() }
    }

    /// The one `Set-Cookie` header that the response must carry, if any.
    pub fn set_cookie(&self) -> Option<&SetCookie> {
        self.set_cookie.as_ref()
    }

    /// The same, without a copy.
    pub fn into_set_cookie(self) -> Option<SetCookie> {
        self.set_cookie
    }

    /// What was done.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The names of the entries whose changes were not stored, because the session was gone.
    pub fn lost(&self) -> &[String] {
        &self.lost
    }
}
