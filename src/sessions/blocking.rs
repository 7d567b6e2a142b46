//! Sessions for servers without async.

use std::fmt;

use crate::block_on::block_on;
use crate::error::Result;
use crate::key::SessionKey;
use crate::owner::Owner;
use crate::session::Session;
use crate::sessions::committed::Committed;
use crate::sessions::handle::Sessions;
use crate::sessions::owned::Listed;
use crate::sessions::presented::Presented;
use crate::store::RuntimeFree;

/// [`Sessions`] for servers without async: the methods of the same names, which park the thread until they are done.
/// What they promise, and what they fail with, is said there.
pub struct Blocking<S>(Sessions<S>);

impl<S: RuntimeFree> Sessions<S> {
    /// The same sessions without async. Not for use inside an async runtime, whose thread would be parked.
    pub fn blocking(&self) -> Blocking<S> {
        Blocking(self.clone())
    }
}

impl<S: RuntimeFree> Blocking<S> {
    /// See [`Sessions::open`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open<I, H>(&self, headers: I) -> Result<Session>
    where
        I: IntoIterator<Item = H>,
        H: AsRef<[u8]>,
    {
        block_on(self.0.open(headers))
    }

    /// See [`Sessions::open_presented`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_presented(&self, presented: Presented) -> Result<Session> {
        block_on(self.0.open_presented(presented))
    }

    /// See [`Sessions::commit`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn commit(&self, session: Session) -> Result<Committed> {
        block_on(self.0.commit(session))
    }

    /// See [`Sessions::commit_after_error`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn commit_after_error(&self, session: Session) -> Result<Committed> {
        block_on(self.0.commit_after_error(session))
    }

    /// See [`Sessions::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reload(&self, session: &Session) -> Result<()> {
        block_on(self.0.reload(session))
    }

    /// See [`Sessions::edit`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn edit<T>(&self, key: &SessionKey, f: impl Fn(&Session) -> Result<T>) -> Result<Option<T>> {
        block_on(self.0.edit(key, f))
    }

    /// See [`Sessions::owned_by`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn owned_by(&self, owner: impl Into<Owner>) -> Result<Vec<Listed>> {
        block_on(self.0.owned_by(owner))
    }

    /// See [`Sessions::end`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn end(&self, owner: impl Into<Owner>, handle: &SessionKey) -> Result<bool> {
        block_on(self.0.end(owner, handle))
    }

    /// See [`Sessions::end_all`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn end_all(&self, owner: impl Into<Owner>) -> Result<u64> {
        block_on(self.0.end_all(owner))
    }

    /// See [`Sessions::end_others`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn end_others(&self, owner: impl Into<Owner>, keep: &SessionKey) -> Result<u64> {
        block_on(self.0.end_others(owner, keep))
    }

    /// See [`Sessions::update_owned_by`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update_owned_by(
        &self,
        owner: impl Into<Owner>,
        f: impl Fn(&Session) -> Result<()> + Send + Sync,
    ) -> Result<u64> {
        block_on(self.0.update_owned_by(owner, f))
    }

    /// See [`Sessions::test_cookie`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn test_cookie(&self, f: impl FnOnce(&Session) -> Result<()>) -> Result<String> {
        block_on(self.0.test_cookie(f))
    }
}

impl<S> Clone for Blocking<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.0).finish()
    }
}
