//! A user's sessions, as a "your devices" page shows and ends them.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::key::SessionKey;
use crate::lifetime::Expiry;
use crate::owner::Owner;
use crate::record::{CookieKind, Record};
use crate::session::{EntryName, checked, decode};
use crate::sessions::handle::Sessions;
use crate::store::Store;
use crate::time::Timestamp;

/// One of a user's sessions. It has no id, and no way to one: the handle ends it, and opens nothing.
#[derive(Clone)]
pub struct Listed {
    record: Record,
    expiry: Expiry,
}

impl<S: Store> Sessions<S> {
    /// All live sessions of a user, the one seen last first (OWASP ASVS 5.0, 7.5.2).
    ///
    /// # Errors
    ///
    /// Whatever the store fails with.
    pub async fn owned_by(&self, owner: impl Into<Owner>) -> Result<Vec<Listed>> {
        let (owner, now) = (owner.into(), self.policy().now());
        let records = self.0.store.owned_by(&owner, now).await?;
        let live = records.into_iter().filter(|record| self.is_live(record, now));
        let mut listed: Vec<_> = live.map(|record| Listed { expiry: self.policy().expiry(&record), record }).collect();
        listed.sort_by_key(|listed| (std::cmp::Reverse(listed.last_seen()), listed.handle()));
        Ok(listed)
    }

    /// Ends one of a user's sessions. Says whether it was there and theirs; another user's handle is "not found".
    ///
    /// # Errors
    ///
    /// Whatever the store fails with.
    pub async fn end(&self, owner: impl Into<Owner>, handle: &SessionKey) -> Result<bool> {
        let owner = owner.into();
        let found = self.load(handle, self.policy().now()).await?;
        if found.is_none_or(|record| record.owner() != Some(&owner)) {
            return Ok(false);
        }
        self.0.store.destroy(handle).await?;
        Ok(true)
    }

    /// Ends all of a user's sessions. Says how many there were; sessions that were over may count.
    ///
    /// # Errors
    ///
    /// Whatever the store fails with.
    pub async fn end_all(&self, owner: impl Into<Owner>) -> Result<u64> {
        let owner = owner.into();
        self.0.store.destroy_owned_by(&owner, None).await
    }

    /// Ends all of a user's sessions but one, typically that of the request (OWASP ASVS 5.0, 7.4.3). Says how many
    /// there were; sessions that were over may count.
    ///
    /// # Errors
    ///
    /// Whatever the store fails with.
    pub async fn end_others(&self, owner: impl Into<Owner>, keep: &SessionKey) -> Result<u64> {
        let owner = owner.into();
        self.0.store.destroy_owned_by(&owner, Some(keep)).await
    }
}

impl Listed {
    /// What the session is ended by; equal to [`Session::handle`](crate::Session::handle) of the visitor's own.
    pub fn handle(&self) -> SessionKey {
        *self.record.key()
    }

    /// When it began.
    pub fn created(&self) -> Timestamp {
        self.record.created()
    }

    /// When it was last seen; see [`touch_after`](crate::SessionsBuilder::touch_after).
    pub fn last_seen(&self) -> Timestamp {
        self.record.last_seen()
    }

    /// When its owner logged in.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.record.authenticated_at()
    }

    /// When it ends if it is not seen again.
    pub fn ends_at(&self) -> Timestamp {
        self.expiry.ends_at()
    }

    /// Whether its cookie outlives the browser.
    pub fn is_permanent(&self) -> bool {
        self.record.cookie() == CookieKind::Permanent
    }

    /// The value of an entry, the browser's name for instance.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`](crate::ErrorKind::Entry) if the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, entry: impl EntryName<T>) -> Result<Option<T>> {
        let name = checked(&entry)?;
        decode(name, self.record.data().get(name))
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("handle", self.record.key())
            .field("last_seen", &self.last_seen())
            .finish_non_exhaustive()
    }
}
