//! What a session says about itself. Times and deadlines are as the request sees them, with its own changes.

use crate::error::Result;
use crate::key::SessionKey;
use crate::owner::Owner;
use crate::record::CookieKind;
use crate::session::handle::Session;
use crate::time::Timestamp;

/// These, but for [`owner`](Session::owner), also answer after the commit, with what was stored.
impl Session {
    /// Whose session it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Committed`](crate::ErrorKind::Committed).
    pub fn owner(&self) -> Result<Option<Owner>> {
        let state = self.state();
        state.check_open()?;
        Ok(state.head().owner().cloned())
    }

    /// The public handle, for "your devices" and for logs; `None` until the session is stored. A new id brings a new
    /// handle, at the commit.
    pub fn handle(&self) -> Option<SessionKey> {
        let state = self.state();
        state.is_stored.then(|| *state.record.key())
    }

    /// When the session began; for one that is not stored, when it was opened.
    pub fn created(&self) -> Timestamp {
        self.state().record.created()
    }

    /// When it was last seen before this request; see [`touch_after`](crate::SessionsBuilder::touch_after).
    pub fn last_seen(&self) -> Timestamp {
        self.state().record.last_seen()
    }

    /// When its owner logged in.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.state().head().authenticated_at()
    }

    /// When it ends if it is not seen again, not counting this request.
    pub fn ends_at(&self) -> Timestamp {
        let head = self.state().head();
        self.0.policy.expiry(&head).ends_at()
    }

    /// Whether the cookie outlives the browser.
    pub fn is_permanent(&self) -> bool {
        self.state().head().cookie() == CookieKind::Permanent
    }

    /// Whether no session is stored for this visitor.
    pub fn is_new(&self) -> bool {
        !self.state().is_stored
    }

    /// Whether this request destroyed the session.
    pub fn is_destroyed(&self) -> bool {
        self.state().ended.is_some()
    }

    /// Whether there is something to commit.
    pub fn is_changed(&self) -> bool {
        let state = self.state();
        state.ended.is_some() || !state.changes.is_empty()
    }
}
