//! Who the visitor is, by which id they come, and how long: what a login changes, and a logout.

use crate::error::{Error, ErrorKind, Result};
use crate::lifetime::Lifetime;
use crate::owner::{MAX_OWNER_BYTES, Owner};
use crate::record::CookieKind;
use crate::session::handle::Session;

impl Session {
    /// The visitor proved who they are: the session gets a new id (OWASP ASVS 5.0, 7.2.4), this owner, and the site's
    /// lifetime, both deadlines beginning now. What it holds stays.
    ///
    /// A session that is not stored yet will be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] for an owner beyond [`MAX_OWNER_BYTES`]; [`ErrorKind::NoVisitor`] in
    /// [`Sessions::edit`](crate::Sessions::edit) and its like.
    pub fn login(&self, owner: impl Into<Owner>) -> Result<()> {
        self.login_with(owner.into(), None)
    }

    /// As [`login`](Session::login), with a lifetime of this session's own ("remember me"), which no later change
    /// of the site's policy shortens.
    ///
    /// # Errors
    ///
    /// As [`login`](Session::login).
    pub fn login_for(&self, owner: impl Into<Owner>, lifetime: Lifetime) -> Result<()> {
        self.login_with(owner.into(), Some(lifetime))
    }

    fn login_with(&self, owner: Owner, own: Option<Lifetime>) -> Result<()> {
        check_owner(&owner)?;
        let now = self.0.policy.now();
        let mut state = self.state();
        state.check_rotatable()?;
        state.changes.login(owner, now);
        state.changes.set_lifetime(own.unwrap_or(self.0.policy.lifetime), own.is_some(), now);
        Ok(())
    }

    /// Gives the session a new id, whenever its rights change (OWASP ASVS 5.0, 7.2.4). Nothing else changes, least of
    /// all its deadlines. Does nothing to a session that is not stored: it gets its first id then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoVisitor`] in [`Sessions::edit`](crate::Sessions::edit) and its like.
    pub fn rotate(&self) -> Result<()> {
        let mut state = self.state();
        state.check_rotatable()?;
        state.changes.rotate();
        Ok(())
    }

    /// Ends the session (a logout), and removes its cookie. Changes made before are dropped.
    ///
    /// The handle is a blank session from now on. What is put into it begins a new session, with a new id.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn destroy(&self) -> Result<()> {
        let blank = self.0.policy.blank(self.0.policy.now());
        let mut state = self.state();
        state.check_writable()?;
        state.destroy(blank);
        Ok(())
    }

    /// Sets or removes the owner without a login: same id, same deadlines. Without an owner there is no
    /// [`authenticated_at`](Session::authenticated_at) either.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] for an owner beyond [`MAX_OWNER_BYTES`].
    pub fn set_owner(&self, owner: Option<Owner>) -> Result<()> {
        owner.iter().try_for_each(check_owner)?;
        let mut state = self.state();
        state.check_writable()?;
        state.changes.set_owner(owner);
        Ok(())
    }

    /// Gives the session a lifetime of its own, both deadlines beginning now; no later change of the site's policy
    /// shortens it.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        let now = self.0.policy.now();
        let mut state = self.state();
        state.check_writable()?;
        state.changes.set_lifetime(lifetime, true, now);
        Ok(())
    }

    /// Whether the cookie outlives the browser: its Max-Age then runs to the absolute deadline, at most 400 days; without
    /// an absolute deadline to the idle one, and it is sent again whenever that moves.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn set_permanent(&self, permanent: bool) -> Result<()> {
        let kind = if permanent { CookieKind::Permanent } else { CookieKind::BrowserSession };
        let mut state = self.state();
        state.check_writable()?;
        if state.head().cookie() != kind {
            state.changes.set_cookie(kind);
        }
        Ok(())
    }
}

fn check_owner(owner: &Owner) -> Result<()> {
    let size = owner.as_str().len();
    if size <= MAX_OWNER_BYTES {
        return Ok(());
    }
    let kind = ErrorKind::TooLarge { what: "the owner", size: size as u64, limit: MAX_OWNER_BYTES as u64 };
    Err(Error::new(kind, "setting a session's owner"))
}
