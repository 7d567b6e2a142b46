//! What a session says about itself: owner, handle, times. They are as the request sees them, with its own changes.

use crate::model::error::Result;
use crate::model::handle::Handle;
use crate::model::owner::Owner;
use crate::model::record::CookieKind;
use crate::model::time::Timestamp;
use crate::session::handle::Session;

/// All of these methods except [`owner`](Session::owner) also answer after the commit, with what was stored.
impl Session {
    /// The owner: the user who logged in; `None` for an anonymous visitor.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// assert_eq!(session.owner()?, None);
    /// session.login("user 42")?;
    /// assert_eq!(session.owner()?, Some("user 42".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    pub fn owner(&self) -> Result<Option<Owner>> {
        let state = self.state();
        state.check_open()?;
        Ok(state.head().owner().cloned())
    }

    /// The session's public name, for a "your devices" page and for logs; `None` until the session is stored. It stays for
    /// the session's whole life, through rotations and logins of the same user; see [`Handle`].
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// let session = sessions.open([""; 0])?;
    /// session.login("user 42")?;
    /// assert_eq!(session.handle(), None);
    /// let _ = sessions.commit(session.clone())?;
    /// assert_eq!(session.handle(), Some(sessions.owned_by("user 42")?[0].handle()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[doc(alias = "id")]
    pub fn handle(&self) -> Option<Handle> {
        let state = self.state();
        state.is_stored.then(|| *state.record.handle())
    }

    /// When the session began. For a session that is not stored, it is the time at which the request opened it.
    pub fn created(&self) -> Timestamp {
        self.state().record.created()
    }

    /// When the session was last seen before this request, as precisely as the store was told; see
    /// [`touch_fraction`](crate::SessionsBuilder::touch_fraction).
    pub fn last_seen(&self) -> Timestamp {
        let state = self.state();
        state.seen_before.unwrap_or(state.record.last_seen())
    }

    /// When the owner logged in, or was [authenticated again](Session::reauthenticated); `None` without a login.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.state().head().authenticated_at()
    }

    /// When the session ends if it is not seen again. This request does not count yet.
    #[doc(alias("expiry_date", "expires"))]
    pub fn ends_at(&self) -> Timestamp {
        let head = self.state().head();
        self.0.policy.expiry(&head).ends_at()
    }

    /// Whether the cookie outlives the browser; see [`set_permanent`](Session::set_permanent).
    pub fn is_permanent(&self) -> bool {
        self.state().head().cookie() == CookieKind::Permanent
    }

    /// Whether no session is stored for this visitor.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// let session = sessions.open([""; 0])?;
    /// assert!(session.is_new());
    /// session.insert("theme", "dark")?;
    /// let _ = sessions.commit(session.clone())?;
    /// assert!(!session.is_new());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn is_new(&self) -> bool {
        !self.state().is_stored
    }

    /// Whether this request destroyed the session.
    pub fn is_destroyed(&self) -> bool {
        self.state().ended.is_some()
    }

    /// Whether there is something to commit.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.get::<String>("theme")?;
    /// assert!(!session.is_changed()); // reading is no change
    /// session.insert("theme", "dark")?;
    /// assert!(session.is_changed());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[doc(alias = "is_modified")]
    pub fn is_changed(&self) -> bool {
        let state = self.state();
        state.ended.is_some() || !state.changes.is_empty()
    }
}
