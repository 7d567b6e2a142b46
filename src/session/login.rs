//! Login and logout: the session's owner, its id and its lifetime.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::lifetime::Lifetime;
use crate::model::owner::{MAX_OWNER_BYTES, Owner};
use crate::model::record::CookieKind;
use crate::session::changes::Login;
use crate::session::handle::Session;

impl Session {
    /// Makes the session that of a user who has authenticated: it gets a new id (OWASP ASVS 5.0, 7.2.4), this owner,
    /// and the site's lifetime, whose two deadlines begin anew. A session that is not stored yet will be.
    ///
    /// The entries of an anonymous visitor stay, and those of the same user. Another user's go, with all that this request
    /// put in before: nobody finds a stranger's cart. The commit of a login never ends in nothing: if the session has ended
    /// meanwhile, another one begins. All other sessions whose ids came with the request end. There is no other way to change the owner with a visitor present, for
    /// an id that somebody planted must not become one that is logged in;
    /// [`Sessions::rename_owner`](crate::Sessions::rename_owner) is for users whose id changes.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.login("user 42")?;
    /// assert_eq!(session.owner()?, Some("user 42".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] for an owner beyond [`MAX_OWNER_BYTES`], [`ErrorKind::EmptyOwner`] for an empty one; [`ErrorKind::NoVisitor`] in
    /// [`Sessions::edit`](crate::Sessions::edit) and [`update_owned_by`](crate::Sessions::update_owned_by), where no
    /// response can carry the new id; [`ErrorKind::Random`] if the operating system gives no random bytes.
    #[doc(alias("log_in", "set_owner"))]
    pub fn login(&self, owner: impl Into<Owner>) -> Result<()> {
        self.login_with(owner.into(), None)
    }

    /// As [`login`](Session::login), with a lifetime of this session's own, which no later change of the site's policy
    /// shortens. The cookie still ends with the browser unless it is [permanent](Session::set_permanent);
    /// [`remember`](Session::remember) does both.
    ///
    /// # Errors
    ///
    /// Those of [`login`](Session::login).
    pub fn login_for(&self, owner: impl Into<Owner>, lifetime: Lifetime) -> Result<()> {
        self.login_with(owner.into(), Some(lifetime))
    }

    /// As [`login_for`](Session::login_for), with a cookie that outlives the browser: "remember me".
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::{Lifetime, MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # let session = sessions.open([""; 0])?;
    /// session.remember("user 42", Lifetime::idle(Duration::from_secs(30 * 24 * 60 * 60)))?;
    /// let committed = sessions.commit(session)?;
    /// assert!(committed.set_cookie().unwrap().as_str().contains("; Max-Age=2592000;"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`login`](Session::login).
    #[doc(alias = "remember_me")]
    pub fn remember(&self, owner: impl Into<Owner>, lifetime: Lifetime) -> Result<()> {
        self.login_for(owner, lifetime)?;
        self.set_permanent(true)
    }

    fn login_with(&self, owner: Owner, own: Option<Lifetime>) -> Result<()> {
        check_owner(&owner)?;
        let login = Login { at: self.0.policy.now(), handle: Handle::generate()?, owner };
        let mut state = self.state();
        state.replace_barred();
        state.check_rotatable()?;
        if state.head().owner().is_some_and(|before| *before != login.owner) {
            state.changes.clear();
            state.changes.set_cookie(self.0.policy.kind);
        }
        state.changes.set_lifetime(own.unwrap_or(self.0.policy.lifetime), own.is_some(), login.at);
        state.changes.login(login);
        Ok(())
    }

    /// Gives the session a new id. Call it when the visitor's rights change (OWASP ASVS 5.0, 7.2.4), in a request that
    /// redirects and never on a timer: answers may overtake each other. Nothing else changes; the handle and the deadlines
    /// stay. What other requests change meanwhile follows to the new id. A session that is not stored is left alone: its first
    /// id is new in any case.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Outcome, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// let session = sessions.open([cookie])?;
    /// session.insert("role", "admin")?;
    /// session.rotate()?;
    /// assert_eq!(sessions.commit(session)?.outcome(), Outcome::Rotated);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoVisitor`] where [`login`](Session::login) gives it.
    #[doc(alias("cycle_id", "regenerate", "renew"))]
    pub fn rotate(&self) -> Result<()> {
        let mut state = self.state();
        state.check_rotatable()?;
        state.changes.rotate();
        Ok(())
    }

    /// Notes that the session's user has authenticated again, by a password that is asked for before an order for instance
    /// (OWASP ASVS 5.0, 7.5.1): the session gets a new id, as [`rotate`](Self::rotate) gives it, and
    /// [`authenticated_at`](Self::authenticated_at) is now. Owner, handle and entries stay.
    ///
    /// Both deadlines begin anew, as at a login, for NIST SP 800-63B-4 (section 5.2) counts them from the last
    /// authentication. A session with a [lifetime of its own](Self::login_for) keeps its absolute deadline: how long that was
    /// meant to be is not stored. [`set_lifetime`](Self::set_lifetime) beside this call begins that anew as well.
    ///
    /// If another request has given the session a new id meanwhile, the commit counts as done if that one authenticated the
    /// same user; else the reauthentication is [lost](crate::Committed::lost), by default an error of a POST.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::{Clock, ManualClock, MemoryStore, Sessions, Timestamp};
    /// # let clock = ManualClock::at(Timestamp::from_secs(1_700_000_000));
    /// # let sessions = Sessions::builder(MemoryStore::new()).clock(clock.clone()).build()?.blocking();
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// # clock.advance(Duration::from_secs(20 * 60));
    /// let session = sessions.open([cookie])?;
    /// // ... the password that came with the form is right ...
    /// session.reauthenticated()?;
    /// assert_eq!(session.authenticated_at(), Some(clock.now()));
    /// let committed = sessions.commit(session)?;
    /// assert!(committed.set_cookie().is_some()); // the new id
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoOwner`] if nobody is logged in; [`ErrorKind::NoVisitor`] where [`login`](Session::login) gives it.
    pub fn reauthenticated(&self) -> Result<()> {
        let (lifetime, now) = (self.0.policy.lifetime, self.0.policy.now());
        let mut state = self.state();
        state.check_rotatable()?;
        if state.head().owner().is_none() {
            return Err(Error::new(ErrorKind::NoOwner, "noting that a user has authenticated again"));
        }
        state.changes.reauthenticate(lifetime, now);
        Ok(())
    }

    /// Ends the session (a logout) and all others of this user and [handle](Self::handle), whatever id they have, and removes
    /// its cookie, also one whose session was over already. The changes that this request has made before are dropped. If
    /// another user has logged in meanwhile with the same cookie, that login stays.
    ///
    /// From now on the `Session` is a blank one. What the handler puts into it begins a new session, with a new id.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Outcome, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// let session = sessions.open([cookie])?;
    /// session.destroy()?;
    /// assert_eq!(sessions.commit(session)?.outcome(), Outcome::Destroyed);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    #[doc(alias("flush", "logout", "purge", "delete"))]
    pub fn destroy(&self) -> Result<()> {
        let blank = self.0.policy.blank(self.0.policy.now());
        let mut state = self.state();
        state.end_barred();
        state.check_open()?;
        state.destroy(blank);
        Ok(())
    }

    /// Gives the session a lifetime of its own, whose two deadlines begin now. No later change of the site's policy
    /// shortens it.
    ///
    /// ```
    /// # use cloakroom::{Lifetime, MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.set_lifetime(Lifetime::AAL3)?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    #[doc(alias = "set_expiry")]
    pub fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        let now = self.0.policy.now();
        let mut state = self.state();
        state.check_open()?;
        state.changes.set_lifetime(lifetime, true, now);
        Ok(())
    }

    /// Sets whether the cookie outlives the browser. The Max-Age of such a cookie runs to the absolute deadline, at
    /// most 400 days. Without an absolute deadline it runs to the idle deadline, and each commit that moves the idle
    /// deadline sends the cookie again.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.set_permanent(true)?;
    /// assert!(session.is_permanent());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    #[doc(alias = "persistent")]
    pub fn set_permanent(&self, permanent: bool) -> Result<()> {
        let kind = if permanent { CookieKind::Permanent } else { CookieKind::BrowserSession };
        let mut state = self.state();
        state.check_open()?;
        if state.head().cookie() != kind {
            state.changes.set_cookie(kind);
        }
        Ok(())
    }
}

/// Refuses an owner that no store takes.
pub(crate) fn check_owner(owner: &Owner) -> Result<()> {
    let kind = match owner.as_bytes().len() {
        0 => ErrorKind::EmptyOwner,
        1..=MAX_OWNER_BYTES => return Ok(()),
        size => ErrorKind::TooLarge { what: "the owner", size: size as u64, limit: MAX_OWNER_BYTES as u64 },
    };
    Err(Error::new(kind, "setting a session's owner"))
}
