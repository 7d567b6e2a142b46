//! A user's sessions: listed for a "your devices" page, and renamed with their user. How they end is in
//! [`ending`](super::ending).

use std::fmt;

use serde::de::DeserializeOwned;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::handle::Handle;
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

    /// After a refusal by the limit on a user's sessions: ends those that are over by today's policy, or that come from a clock
    /// that was ahead. The store counts them, for it knows the deadlines alone that they were stored with. Any other error
    /// stays, and so does this one if there are none.
    pub(super) async fn make_room(&self, error: Error, owner: Option<&Owner>) -> Result<()> {
        let (Some(owner), ErrorKind::OwnerLimit { .. }) = (owner, error.kind()) else { return Err(error) };
        let now = self.policy().now();
        let mut has_room = false;
        for record in self.0.store.owned_by(owner, now).await? {
            if self.policy().is_over(&record, now) {
                self.0.store.destroy(record.key(), None).await?;
                has_room = true;
            }
        }
        if has_room { Ok(()) } else { Err(error) }
    }
}

impl<S: Store> Sessions<S> {
    /// Gives the sessions of one of a user's handles to the same user under another name: the application's id of the user
    /// has changed. Id, handle, entries and deadlines stay. Says whether the user had a session of this handle.
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
    pub async fn rename_owner(&self, owner: impl Into<Owner>, handle: &Handle, new: impl Into<Owner>) -> Result<bool> {
        let (owner, new) = (owner.into(), new.into());
        check_owner(&new)?;
        let mut is_found = false;
        // A session that rotates meanwhile is found by the next listing.
        for attempt in 0..ATTEMPTS {
            let now = self.policy().now();
            let mut family = self.family(&owner, handle).await?;
            family.retain(|record| self.is_live(record, now));
            if new == owner {
                return Ok(!family.is_empty());
            }
            let Some(last) = family.last().map(|record| *record.key()) else { return Ok(is_found) };
            if attempt + 1 == ATTEMPTS {
                return Err(contention(&last));
            }
            for record in family {
                let mut renamed = record.clone();
                renamed.set_owner(Some(new.clone()), record.authenticated_at());
                let swapped = self.try_swap(record.key(), record.revision(), renamed, None, attempt).await?;
                is_found |= matches!(swapped, Swapped::Stored(_));
            }
        }
        Ok(is_found)
    }
}

impl Listed {
    /// The session's public name, for [`Sessions::end`]. It equals [`Session::handle`](crate::Session::handle) of the same
    /// session. Two sessions of one user have one handle if the user logged in twice at once.
    pub fn handle(&self) -> Handle {
        *self.record.handle()
    }

    /// When the session began.
    pub fn created(&self) -> Timestamp {
        self.record.created()
    }

    /// When the session was last seen, as precisely as the store was told; see
    /// [`touch_fraction`](crate::SessionsBuilder::touch_fraction).
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
            .field("handle", self.record.handle())
            .field("last_seen", &self.last_seen())
            .finish_non_exhaustive()
    }
}
