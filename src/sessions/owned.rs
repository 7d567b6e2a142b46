//! A user's sessions, for a "your devices" page that lists and ends them.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{CookieKind, Record};
use crate::model::time::Timestamp;
use crate::session::{EntryName, check_owner, checked, decode};
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::store::Store;

/// One of a user's sessions. It does not hold the session's id, and its handle can end the session but never open it.
///
/// ```
/// # use cloakroom::{MemoryStore, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// # let cookie = sessions.test_cookie(|session| {
/// #     session.insert("browser", "Firefox")?;
/// #     session.login("user 42")
/// # })?;
/// for device in sessions.owned_by("user 42")? {
///     let browser: Option<String> = device.get("browser")?;
///     println!("{}: {browser:?}, seen {}", device.handle(), device.last_seen());
/// }
/// # assert_eq!(sessions.owned_by("user 42")?.len(), 1);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Listed {
    record: Record,
    expiry: Expiry,
}

impl<S: Store> Sessions<S> {
    /// All live sessions of a user (OWASP ASVS 5.0, 7.5.2), the session that was seen last first.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// for device in sessions.owned_by("user 42").await? {
    ///     println!("{} until {}", device.handle(), device.ends_at());
    /// }
    /// # assert_eq!(sessions.owned_by("user 42").await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub async fn owned_by(&self, owner: impl Into<Owner>) -> Result<Vec<Listed>> {
        let (owner, now) = (owner.into(), self.policy().now());
        let records = self.0.store.owned_by(&owner, now).await?;
        let live = records.into_iter().filter(|record| self.is_live(record, now));
        let mut listed: Vec<_> = live.map(|record| Listed { expiry: self.policy().expiry(&record), record }).collect();
        listed.sort_by_key(|listed| (std::cmp::Reverse(listed.last_seen()), listed.handle()));
        Ok(listed)
    }

    /// Ends one of a user's sessions. Says whether the user had a session of this handle: another user's session stays,
    /// and the answer is `false`.
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
    /// The store's errors.
    pub async fn end(&self, owner: impl Into<Owner>, handle: &SessionKey) -> Result<bool> {
        let owner = owner.into();
        // Also one that is over by today's policy, or for a clock that was set back: either may change again.
        let found = self.0.store.load(handle, self.policy().now()).await?;
        if found.is_none_or(|record| record.owner() != Some(&owner)) {
            return Ok(false);
        }
        self.0.store.destroy(handle, None).await?;
        Ok(true)
    }

    /// Ends all of a user's sessions. Says how many there were; sessions that had expired may count.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// assert_eq!(sessions.end_all("user 42").await?, 1);
    /// assert!(sessions.owned_by("user 42").await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub async fn end_all(&self, owner: impl Into<Owner>) -> Result<u64> {
        let owner = owner.into();
        self.0.store.destroy_owned_by(&owner, None).await
    }

    /// Ends all of a user's sessions but one, typically that of the request (OWASP ASVS 5.0, 7.4.3). Says how many were
    /// ended; sessions that had expired may count.
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
    /// The store's errors.
    pub async fn end_others(&self, owner: impl Into<Owner>, keep: &SessionKey) -> Result<u64> {
        let owner = owner.into();
        self.0.store.destroy_owned_by(&owner, Some(keep)).await
    }

    /// After a refusal by the limit on a user's sessions: ends those that are over by today's policy. The store counts
    /// them, for it knows the deadlines alone that they were stored with. Any other error stays, and so does this one if
    /// there are none.
    pub(super) async fn make_room(&self, error: Error, owner: Option<&Owner>) -> Result<()> {
        let (Some(owner), ErrorKind::OwnerLimit { .. }) = (owner, error.kind()) else { return Err(error) };
        let now = self.policy().now();
        let mut has_room = false;
        for record in self.0.store.owned_by(owner, now).await? {
            if self.policy().expiry(&record).is_expired_at(now) {
                self.0.store.destroy(record.key(), None).await?;
                has_room = true;
            }
        }
        if has_room { Ok(()) } else { Err(error) }
    }
}

impl<S: Store> Sessions<S> {
    /// Gives one of a user's sessions to the same user under another name: the application's id of the user has changed.
    /// Id, entries and deadlines stay. Says whether the user had a session of this handle.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("ada@example.org")).await?;
    /// for device in sessions.owned_by("ada@example.org").await? {
    ///     sessions.rename_owner("ada@example.org", &device.handle(), "user 42").await?;
    /// }
    /// assert_eq!(sessions.owned_by("user 42").await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) for a new name beyond
    /// [`MAX_OWNER_BYTES`](crate::MAX_OWNER_BYTES); [`ErrorKind::Contention`](crate::ErrorKind::Contention) after 256
    /// conflicts; the store's errors, its limit on the sessions of a user included.
    pub async fn rename_owner(
        &self,
        owner: impl Into<Owner>,
        handle: &SessionKey,
        new: impl Into<Owner>,
    ) -> Result<bool> {
        let (owner, new) = (owner.into(), new.into());
        check_owner(&new)?;
        let mut found = self.load(handle, self.policy().now()).await?;
        for attempt in 0..ATTEMPTS {
            let Some(record) = found.filter(|record| record.owner() == Some(&owner)) else { return Ok(false) };
            let mut renamed = record.clone();
            renamed.set_owner(Some(new.clone()), record.authenticated_at());
            found = match self.try_swap(handle, record.revision(), renamed, attempt).await? {
                Swapped::Stored(_) => return Ok(true),
                Swapped::Conflict(current) => Some(current),
                Swapped::Gone => None,
            };
        }
        Err(contention(handle))
    }
}

impl Listed {
    /// The public handle, for [`Sessions::end`]. It equals [`Session::handle`](crate::Session::handle) of the same
    /// session.
    pub fn handle(&self) -> SessionKey {
        *self.record.key()
    }

    /// When the session began.
    pub fn created(&self) -> Timestamp {
        self.record.created()
    }

    /// When the session was last seen, as precisely as the store was told; see
    /// [`touch_after`](crate::SessionsBuilder::touch_after).
    pub fn last_seen(&self) -> Timestamp {
        self.record.last_seen()
    }

    /// When the owner logged in.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.record.authenticated_at()
    }

    /// When the session ends if it is not seen again.
    pub fn ends_at(&self) -> Timestamp {
        self.expiry.ends_at()
    }

    /// Whether the session's cookie outlives the browser.
    pub fn is_permanent(&self) -> bool {
        self.record.cookie() == CookieKind::Permanent
    }

    /// The value of an entry, such as the browser's name; `None` if there is no such entry.
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
