//! Ending sessions of a user from outside of their requests: one device, all of them, all but one.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::model::trace::Trace;
use crate::sessions::handle::Sessions;
use crate::sessions::swap::ATTEMPTS;
use crate::store::Store;

impl<S: Store> Sessions<S> {
    /// Ends one of a user's devices: every session of this user and handle, also one that gets a new id meanwhile. Says
    /// whether there was one: another user's session stays, and the answer is `false`. For the device of the request
    /// itself, [`destroy`](crate::Session::destroy) is the call, which removes the cookie as well.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// let handle = sessions.owned_by("user 42").await?[0].handle();
    /// assert!(!sessions.end("user 43", &handle).await?);
    /// assert!(sessions.end("user 42", &handle).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors; [`ErrorKind::Contention`] if there are new sessions after 256 rounds.
    pub async fn end(&self, owner: impl Into<Owner>, handle: &Handle) -> Result<bool> {
        let owner = owner.into();
        Ok(self.end_where(&owner, |record| record.handle() == handle).await? > 0)
    }

    /// Ends all of a user's sessions. Says how many there were; sessions that had expired may count.
    ///
    /// In a handler, the session of its own request ends as well, and what the request puts into that is lost. So
    /// [`destroy`](crate::Session::destroy) stands beside this call: it removes the cookie, and what follows begins a new
    /// session.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// # let session = sessions.open([cookie]).await?;
    /// assert_eq!(sessions.end_all("user 42").await?, 2);
    /// session.destroy()?;
    /// session.flash("You are logged out everywhere.")?;
    /// # assert!(sessions.commit(session).await?.set_cookie().is_some());
    /// assert!(sessions.owned_by("user 42").await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors; [`ErrorKind::Contention`] if there are new sessions after 256 rounds.
    #[doc(alias = "log_out_everywhere")]
    pub async fn end_all(&self, owner: impl Into<Owner>) -> Result<u64> {
        let owner = owner.into();
        let mut ended = 0;
        // A store whose end of all takes several steps may have missed a session that rotated meanwhile.
        for _ in 0..ATTEMPTS {
            ended += self.0.store.destroy_owned_by(&owner, None).await?;
            if self.0.store.owned_by(&owner, self.policy().now()).await?.is_empty() {
                return Ok(ended);
            }
        }
        Err(never_done())
    }

    /// Ends all of a user's sessions but those of one handle, typically that of the request (OWASP ASVS 5.0, 7.4.3). Says
    /// how many were ended. The device that is kept may rotate meanwhile.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// # let session = sessions.open([cookie]).await?;
    /// let this_device = session.handle().unwrap();
    /// assert_eq!(sessions.end_others("user 42", &this_device).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors; [`ErrorKind::Contention`] if there are new sessions after 256 rounds.
    pub async fn end_others(&self, owner: impl Into<Owner>, keep: &Handle) -> Result<u64> {
        let owner = owner.into();
        self.end_where(&owner, |record| record.handle() != keep).await
    }

    /// Ends the user's sessions of this kind until a listing has none, so that one which rotates meanwhile ends as well.
    pub(super) async fn end_where(&self, owner: &Owner, is_meant: impl Fn(&Record) -> bool) -> Result<u64> {
        let mut ended = 0;
        for _ in 0..ATTEMPTS {
            // Also those that are over by today's policy alone: the policy may change again.
            let mut records = self.0.store.owned_by(owner, self.policy().now()).await?;
            records.retain(&is_meant);
            if records.is_empty() {
                return Ok(ended);
            }
            for record in records {
                let trace = Trace::ended(self.trace_ends());
                ended += u64::from(self.0.store.destroy(record.key(), Some(&trace)).await?);
            }
        }
        Err(never_done())
    }

    /// The user's sessions of this handle.
    pub(super) async fn family(&self, owner: &Owner, handle: &Handle) -> Result<Vec<Record>> {
        let mut records = self.0.store.owned_by(owner, self.policy().now()).await?;
        records.retain(|record| record.handle() == handle);
        Ok(records)
    }
}

/// Of an ending after which the store has always had more to end.
pub(super) fn never_done() -> Error {
    Error::new(ErrorKind::Contention, "ending sessions")
}
