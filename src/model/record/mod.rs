//! One session as a store keeps it, and the layout of its bytes.
//!
//! What belongs here: the fields of a record, and its encoded form on disk and in memory. What never does: which record a
//! store keeps, and what a request may do to it.

mod codec;
mod head;
mod note;
mod revision;

pub(crate) use self::head::Head;
pub(crate) use self::note::Note;
pub use self::revision::Revision;
use crate::model::data::Data;
use crate::model::handle::Handle;
use crate::model::key::SessionKey;
use crate::model::lifetime::{Expiry, Lifetime};
use crate::model::owner::Owner;
use crate::model::time::Timestamp;

/// What the browser does with the session's cookie (RFC 6265bis section 4.1.2.2).
///
/// ```
/// use cloakroom::{CookieKind, Lifetime, Record, SessionKey, Timestamp};
///
/// let mut record = Record::new(SessionKey::from_bytes([7; 16]), Lifetime::AAL1, Timestamp::EPOCH);
/// assert_eq!(record.cookie(), CookieKind::BrowserSession);
/// record.set_cookie(CookieKind::Permanent); // "remember me"
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CookieKind {
    /// The browser drops the cookie when it is closed.
    #[default]
    BrowserSession,
    /// The browser keeps the cookie until its Max-Age is over ("remember me").
    Permanent,
}

/// A session as stores keep it: what cloakroom must know of it, and the application's [`Data`].
///
/// Applications use a [`Session`](crate::Session) instead. A record is for stores and for tools that read them.
///
/// ```
/// use cloakroom::{Lifetime, Record, SessionId, SessionKey, Timestamp};
///
/// # fn main() -> cloakroom::Result<()> {
/// let now = Timestamp::from_secs(1_700_000_000);
/// let key = SessionKey::of(&SessionId::generate()?);
/// let mut record = Record::new(key, Lifetime::AAL2, now);
/// record.set_owner(Some("user 42".into()), Some(now));
///
/// // A store keeps the bytes, and beside them the key and the revision.
/// let bytes = record.to_bytes();
/// assert_eq!(Record::from_bytes(key, record.revision(), &bytes)?, record);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    key: SessionKey,
    handle: Handle,
    revision: Revision,
    created: Timestamp,
    expiry: Expiry,
    own_lifetime: bool,
    authenticated_at: Option<Timestamp>,
    owner: Option<Owner>,
    cookie: CookieKind,
    data: Data,
}

impl Record {
    /// A new record that was created and last seen now, without an owner and without data. Its handle is made of its key's
    /// bytes, until [`set_handle`](Self::set_handle) gives it one of its own.
    pub fn new(key: SessionKey, lifetime: Lifetime, now: Timestamp) -> Self {
        Self {
            key,
            handle: Handle::from_bytes(*key.as_bytes()),
            revision: Revision::from_u64(0),
            created: now,
            expiry: Expiry::starting(lifetime, now),
            own_lifetime: false,
            authenticated_at: None,
            owner: None,
            cookie: CookieKind::default(),
            data: Data::empty(),
        }
    }

    /// The session's key.
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// The session's public name, which it keeps when its key changes.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Which write of the session this is. In a record that is given to a store, it is the token proposed for the write.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// When the session began.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// The deadlines that decide when the session ends.
    pub const fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// When the session was last seen. Requests that follow each other closely are noted only now and then; see
    /// [`SessionsBuilder::touch_fraction`](crate::SessionsBuilder::touch_fraction).
    pub const fn last_seen(&self) -> Timestamp {
        self.expiry.last_seen()
    }

    /// Whether the session is over at this time; see [`Expiry::is_expired_at`].
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.expiry.is_expired_at(now)
    }

    /// Whether the lifetime was chosen for this session, so that the site's policy does not apply to it.
    pub const fn has_own_lifetime(&self) -> bool {
        self.own_lifetime
    }

    /// When the owner logged in.
    pub const fn authenticated_at(&self) -> Option<Timestamp> {
        self.authenticated_at
    }

    /// The user that the session belongs to.
    pub const fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// The kind of the visitor's cookie.
    pub const fn cookie(&self) -> CookieKind {
        self.cookie
    }

    /// The session's entries.
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// Gives the session a handle, as its beginning and a change of its owner do.
    pub fn set_handle(&mut self, handle: Handle) {
        self.handle = handle;
    }

    /// Gives the session another key, as a rotation does. The handle stays.
    pub fn set_key(&mut self, key: SessionKey) {
        self.key = key;
    }

    /// Sets the revision. A store does so when it loads a record, and a caller to propose a token for a write.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Notes that the session is seen, and returns whether `last_seen` moved; see [`Expiry::touch`].
    pub fn touch(&mut self, now: Timestamp) -> bool {
        self.expiry.touch(now)
    }

    /// Starts both deadlines again. `own` says whether the lifetime was chosen for this session; see
    /// [`has_own_lifetime`](Self::has_own_lifetime).
    pub fn set_lifetime(&mut self, lifetime: Lifetime, own: bool, now: Timestamp) {
        self.expiry = Expiry::starting(lifetime, now);
        self.own_lifetime = own;
    }

    /// Sets the deadlines as a store kept them.
    pub fn set_expiry(&mut self, expiry: Expiry) {
        self.expiry = expiry;
    }

    /// Sets or removes the owner, and when the owner logged in.
    pub fn set_owner(&mut self, owner: Option<Owner>, authenticated_at: Option<Timestamp>) {
        self.owner = owner;
        self.authenticated_at = authenticated_at;
    }

    /// Sets the kind of the visitor's cookie.
    pub fn set_cookie(&mut self, cookie: CookieKind) {
        self.cookie = cookie;
    }

    /// Replaces the session's entries.
    pub fn set_data(&mut self, data: Data) {
        self.data = data;
    }
}

#[cfg(test)]
mod tests;
