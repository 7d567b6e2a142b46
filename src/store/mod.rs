//! The contract that every store keeps, whatever its medium.
//!
//! What belongs here: the trait, and the types of its arguments and answers. What never does: how a store keeps anything.

pub(crate) mod any;
pub(crate) mod block_on;
mod capabilities;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod connect;
mod durability;
pub(crate) mod dyn_store;
pub(crate) mod file;
mod forward;
mod limits;
pub(crate) mod memory;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
mod remote;
mod result;
pub(crate) mod runtime_free;
mod shared;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod sql;
pub(crate) mod sweeper;
mod traces;

use std::ops::ControlFlow;

pub use self::capabilities::{Capabilities, Kept};
pub use self::durability::{Acknowledged, Durability};
pub use self::limits::{BeyondLimit, Limits, OwnerLimit};
pub use self::result::{Found, Swept, Update};
pub use self::traces::MAX_TRACES;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::{KeySet, SessionKey};
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;

/// A place where sessions are kept.
///
#[doc = include_str!("contract.md")]
#[doc = include_str!("a_store_of_your_own.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store of sessions",
    label = "is not a `cloakroom::Store`",
    note = "stores are `FileStore`, `MemoryStore`, `AnyStore`, an `Arc` of a store, and each type that implements `Store`; a `DynStore` hides the type of any"
)]
pub trait Store: Send + Sync + 'static {
    /// Stores a new session, atomically, if its key is free, and returns its revision. The key of an expired session is
    /// free. The store enforces its [`Limits`] in the same step.
    ///
    /// The [traces](Store#traces) are those of a login: each is left, in the same step, under its key.
    ///
    /// ```
    /// # use cloakroom::{ErrorKind, Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// let record = Record::new(SessionKey::of(&SessionId::generate()?), Lifetime::AAL2, now);
    /// store.create(&record, &[], now).await?;
    /// assert_eq!(store.create(&record, &[], now).await.unwrap_err().kind(), &ErrorKind::KeyTaken);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTaken`] if a live session has the key; [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn create(
        &self,
        record: &Record,
        traces: &[(SessionKey, Trace)],
        now: Timestamp,
    ) -> impl Future<Output = Result<Revision>> + Send;

    /// Finds what stands under a key: a session that lives, or the trace of one, or nothing. A missing, an expired and a
    /// destroyed session look the same.
    ///
    /// ```
    /// # use cloakroom::{Found, Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Timestamp, Trace};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let key = SessionKey::of(&SessionId::generate()?);
    /// # store.create(&Record::new(key, Lifetime::AAL2, now), &[], now).await?;
    /// let trace = Trace::ended(Timestamp::from_secs(1_700_000_060));
    /// store.destroy(&key, Some(&trace)).await?;
    /// assert_eq!(store.find(&key, now).await?, Found::Trace(trace));
    /// assert_eq!(store.find(&key, trace.ends()).await?, Found::Nothing);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] or [`ErrorKind::NewerFormat`] for a session or a trace that is there and cannot be read.
    fn find(&self, key: &SessionKey, now: Timestamp) -> impl Future<Output = Result<Found>> + Send;

    /// Finds what stands under each of these keys, in their order. What fails under one key hides no other.
    ///
    /// A store on another machine does it in one round trip.
    fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> impl Future<Output = Vec<Result<Found>>> + Send {
        async move {
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                found.push(self.find(key, now).await);
            }
            found
        }
    }

    /// Loads a session that lives: [`find`](Store::find) for those who want no trace.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] or [`ErrorKind::NewerFormat`] for a session that is there and cannot be read.
    fn load(&self, key: &SessionKey, now: Timestamp) -> impl Future<Output = Result<Option<Record>>> + Send {
        async move { self.find(key, now).await.map(Found::live) }
    }

    /// Replaces a session if its revision is still `expected` (compare-and-swap). The later `last_seen` of the stored and
    /// the new record is kept, so that an update undoes no touch.
    ///
    /// ```
    /// # use cloakroom::{Lifetime, MemoryStore, Record, Revision, SessionId, SessionKey, Store, Timestamp, Update};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let key = SessionKey::of(&SessionId::generate()?);
    /// # store.create(&Record::new(key, Lifetime::AAL2, now), &[], now).await?;
    /// let Some(mut record) = store.load(&key, now).await? else { return Ok(()) };
    /// let expected = record.revision();
    /// record.set_owner(Some("user 42".into()), Some(now));
    /// record.set_revision(Revision::fresh()); // the token of this write
    /// match store.update(&record, expected, now).await? {
    ///     Update::Stored(revision) => println!("stored as {revision:?}"),
    ///     Update::Conflict(current) => println!("another write came first: {current:?}"),
    ///     _ => println!("the session has ended"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn update(
        &self,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> impl Future<Output = Result<Update>> + Send;

    /// Notes that a session was seen, and returns whether the session is there.
    ///
    /// The idle deadline becomes `now` plus the session's own idle timeout, at most its absolute deadline. It never
    /// becomes earlier. A touch never changes data or revision, and never brings a session back.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::{Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let key = SessionKey::of(&SessionId::generate()?);
    /// # store.create(&Record::new(key, Lifetime::AAL3, now), &[], now).await?;
    /// let later = now.plus(Duration::from_secs(10 * 60));
    /// assert!(store.touch(&key, later).await?); // the idle timeout of 15 minutes starts again
    /// # assert_eq!(store.load(&key, later).await?.unwrap().last_seen(), later);
    /// # Ok(())
    /// # }
    /// ```
    fn touch(&self, key: &SessionKey, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Gives a session a new key, atomically: `record` exists under its new key and `old` is gone, or neither, also if
    /// the process or the machine crashes. A new id at each login prevents session fixation (OWASP ASVS 5.0, 7.2.4).
    ///
    /// A rotation is always durable when it returns, as [`destroy`](Store::destroy) is. It compares the revision of `old`
    /// as [`update`](Store::update) does, and takes the new key as [`create`](Store::create) does. The
    /// [trace](Store#traces), if there is one, stands under `old` from the same step on.
    ///
    /// ```
    /// # use cloakroom::{Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Timestamp, Update};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let old = SessionKey::of(&SessionId::generate()?);
    /// # let mut record = Record::new(old, Lifetime::AAL2, now);
    /// # let expected = store.create(&record, &[], now).await?;
    /// record.set_key(SessionKey::of(&SessionId::generate()?));
    /// assert!(matches!(store.rotate(&old, expected, &record, None, now).await?, Update::Stored(_)));
    /// assert_eq!(store.load(&old, now).await?, None);
    /// assert!(store.load(record.key(), now).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTaken`] if a live session has the new key; [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Update>> + Send;

    /// Ends a session, and returns whether it was there. A destroyed session never comes back. One that has expired and was
    /// not swept may count as there. Of several calls that end one session at once, one says that it was there. That one leaves
    /// the [trace](Store#traces), in the same step.
    ///
    /// The end is durable when this returns, whatever the store's [`Durability`]. That holds also if there was nothing to
    /// end, because the caller's knowledge may rest on a write that is not durable yet.
    fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> impl Future<Output = Result<bool>> + Send;

    /// Lists all live sessions of a user, in no particular order: also one that gets another key during the call, under one of
    /// the two. Whatever ends or changes all of a user's sessions relies on that.
    fn owned_by(&self, owner: &Owner, now: Timestamp) -> impl Future<Output = Result<Vec<Record>>> + Send;

    /// Ends all sessions of a user, or all but one, and returns how many. Expired sessions may count. It leaves no trace.
    ///
    /// Where a rotation is one step, it ends a session that gets another key during the call as well. It is one step itself where the
    /// store can do that, and durable as [`destroy`](Store::destroy) is.
    ///
    /// ```
    /// # use cloakroom::{Lifetime, MemoryStore, Owner, Record, SessionId, SessionKey, Store, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let ada = Owner::from("ada");
    /// # for _ in 0..2 {
    /// #     let mut record = Record::new(SessionKey::of(&SessionId::generate()?), Lifetime::AAL2, now);
    /// #     record.set_owner(Some(ada.clone()), Some(now));
    /// #     store.create(&record, &[], now).await?;
    /// # }
    /// // After a change of the password: log out everywhere.
    /// assert_eq!(store.destroy_owned_by(&ada, None).await?, 2);
    /// assert!(store.owned_by(&ada, now).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> impl Future<Output = Result<u64>> + Send;

    /// Changes all live sessions of a user, each by compare-and-swap, until a listing has none that is new, and returns how many
    /// were stored. So a session is reached that gets another key meanwhile, and one that begins.
    ///
    /// `change` gets a record, edits it and says whether to store it. It runs again for a session that another write
    /// changed meanwhile, and for one that gets another key after it was changed.
    ///
    /// ```
    /// # use cloakroom::{Lifetime, MemoryStore, Owner, Record, SessionId, SessionKey, Store, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let ada = Owner::from("ada");
    /// # let mut record = Record::new(SessionKey::of(&SessionId::generate()?), Lifetime::AAL1, now);
    /// # record.set_owner(Some(ada.clone()), Some(now));
    /// # store.create(&record, &[], now).await?;
    /// // From now on, this user's sessions are short.
    /// let shorten = |record: &mut Record| {
    ///     record.set_lifetime(Lifetime::AAL3, true, now);
    ///     Ok(true)
    /// };
    /// assert_eq!(store.update_owned_by(&ada, shorten, now).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Contention`] if other writes changed one session 100 times in a row, or if the 100th listing has new
    /// sessions; and each error that `change` returns. The sessions that were stored before the error stay stored.
    fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let contention = || Error::new(ErrorKind::Contention, "changing a user's sessions");
            let (mut done, mut stored) = (KeySet::default(), 0);
            for _ in 0..100 {
                let mut records = self.owned_by(owner, now).await?;
                records.retain(|record| done.insert(*record.key()));
                if records.is_empty() {
                    return Ok(stored);
                }
                for mut record in records {
                    let mut attempts = 0..100;
                    loop {
                        let expected = record.revision();
                        if !change(&mut record)? {
                            break;
                        }
                        record.set_revision(Revision::fresh());
                        match self.update(&record, expected, now).await? {
                            Update::Stored(_) => {
                                stored += 1;
                                break;
                            }
                            Update::Conflict(current) if current.owner() == Some(owner) => record = *current,
                            Update::Conflict(_) | Update::Gone => break,
                        }
                        attempts.next().ok_or_else(contention)?;
                    }
                }
            }
            Err(contention())
        }
    }

    /// Removes expired sessions, at most `budget` of them. No other operation depends on it: an expired session is over,
    /// swept or not.
    ///
    /// The cost is in proportion to the sessions that have expired, and not to those that are stored. A
    /// [`Sweeper`](crate::Sweeper) makes these calls in the background. A store may remove sessions without being asked, beside
    /// a `create` above all, if they were over [five minutes](Store#clocks) before its `now`; it counts them in no answer. Traces that are over go, too:
    /// they are not counted, and `more` says whether any are left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::{Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Swept, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let key = SessionKey::of(&SessionId::generate()?);
    /// # store.create(&Record::new(key, Lifetime::AAL3, now), &[], now).await?;
    /// let tomorrow = now.plus(Duration::from_secs(24 * 60 * 60));
    /// assert_eq!(store.sweep(tomorrow, 1000).await?, Swept::new(1, false));
    /// # Ok(())
    /// # }
    /// ```
    fn sweep(&self, now: Timestamp, budget: usize) -> impl Future<Output = Result<Swept>> + Send;

    /// Visits live sessions, in no particular order, until `visit` breaks.
    ///
    /// A session that lives throughout the scan under one key is visited exactly once. A session that begins or ends
    /// during the scan is visited at most once. `visit` may end or change sessions and wait for that, on another thread, or
    /// in place if the store is [`RuntimeFree`](crate::RuntimeFree): the store holds no lock while it visits. A store that
    /// cannot promise the one or the other [says so](Capabilities).
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use cloakroom::{Lifetime, MemoryStore, Record, SessionId, SessionKey, Store, Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (store, now) = (MemoryStore::new(), Timestamp::from_secs(1_700_000_000));
    /// # let key = SessionKey::of(&SessionId::generate()?);
    /// # store.create(&Record::new(key, Lifetime::AAL3, now), &[], now).await?;
    /// let mut anonymous = 0;
    /// let mut count = |record: Record| {
    ///     anonymous += u64::from(record.owner().is_none());
    ///     ControlFlow::Continue(())
    /// };
    /// store.scan(now, &mut count).await?;
    /// assert_eq!(anonymous, 1);
    /// # Ok(())
    /// # }
    /// ```
    fn scan(
        &self,
        now: Timestamp,
        visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> impl Future<Output = Result<()>> + Send;

    /// Counts the live sessions.
    fn count(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;

    /// Ends all sessions. The end is durable as that of [`destroy`](Store::destroy) is.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;

    /// What the acknowledgement of a save means when the power fails, and what that of an ending.
    fn durability(&self) -> Acknowledged;

    /// Which promises the store keeps exactly. By default it keeps all of them so. [`Capabilities`] shows its use.
    fn capabilities(&self) -> Capabilities {
        Capabilities::EXACT
    }
}
